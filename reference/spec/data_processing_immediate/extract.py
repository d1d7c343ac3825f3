"""Extract."""

from assay64.reference.pseudocode import LSR, Undefined, X, insn


@insn("sf 00 100111 N 0 Rm:5 imms:6 Rn:5 Rd:5", "EXTR")
def extract(sf, N, Rm, imms, Rn, Rd):
    """EXTR <Xd>, <Xn>, <Xm>, #<lsb>"""
    datasize = 64 if sf else 32
    if sf != N or (not sf and imms[5]):
        raise Undefined
    X[Rd, datasize] = LSR(X[Rn, datasize] @ X[Rm, datasize], imms)[datasize - 1 : 0]
