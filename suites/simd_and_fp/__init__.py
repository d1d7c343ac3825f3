"""Advanced SIMD and floating point."""
