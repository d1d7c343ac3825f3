"""Vectors as their elements, for the suites of Advanced SIMD."""

QC = 1 << 27  # FPSR.QC, the cumulative saturation bit
ONES = (1 << 128) - 1


def vector(esize: int, *elements: int) -> int:
    """The elements of ``esize`` bits side by side, the lowest first; those that are not given are zero."""
    return sum((element & (1 << esize) - 1) << esize * index for index, element in enumerate(elements))


def every(esize: int, element: int, datasize: int = 128) -> int:
    """``element`` in each lane of a vector of ``datasize`` bits."""
    return vector(esize, *[element] * (datasize // esize))
