/* The one function of Windows' bcryptprimitives.dll that Rust's standard library takes its random numbers from. Wine has the
   library since 8.13; run.py builds this in its place for older ones, such as Debian 12's. */

#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    return RtlGenRandom(data, (ULONG)length);
}
