"""Loads and stores of general-purpose registers: Arm ARM C4.1, "Loads and Stores", without SIMD&FP and atomics."""
