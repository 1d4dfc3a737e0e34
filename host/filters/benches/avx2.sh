#!/bin/sh
# Compiles this workspace's own crates, and no dependency, for processors with AVX2 (x86-64-v3).
exec "$@" -Ctarget-cpu=x86-64-v3
