"""The backend contract, the registry, and one module or folder per backend."""
