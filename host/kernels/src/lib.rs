//! CPU kernels behind candle's CustomOp; the home of unsafe.
