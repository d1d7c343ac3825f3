"""Data-processing (1 source) and (2 source): pointer authentication."""

from assay64.reference.pseudocode import (
    XSP,
    AddPACKey,
    AuthKey,
    ComputeGenericPAC,
    IsFeatureImplemented,
    Strip,
    Undefined,
    X,
    Zeros,
    insn,
)


@insn(
    "1 1 0 11010110 00001 00 Z opc:3 Rn:5 Rd:5",
    "Z opc: PACIA PACIB PACDA PACDB AUTIA AUTIB AUTDA AUTDB PACIZA PACIZB PACDZA PACDZB AUTIZA AUTIZB AUTDZA AUTDZB",
)
def pointer_authentication(Z, opc, Rn, Rd):
    """PACIA <Xd>, <Xn|SP>; PACIZA <Xd>; opc is the key, and whether it is checked"""
    if not IsFeatureImplemented("FEAT_PAuth"):
        raise Undefined
    if Z and Rn != 31:
        raise Undefined
    modifier = Zeros(64) if Z else XSP[Rn, 64]
    if opc[2]:
        X[Rd, 64] = AuthKey(X[Rd, 64], modifier, opc[1:0])
    else:
        X[Rd, 64] = AddPACKey(X[Rd, 64], modifier, opc[1:0])


@insn("1 1 0 11010110 00001 01000 D 11111 Rd:5", "D: XPACI XPACD")
def pointer_authentication_strip(D, Rd):
    """XPACI <Xd>: no control disables it"""
    if not IsFeatureImplemented("FEAT_PAuth"):
        raise Undefined
    X[Rd, 64] = Strip(X[Rd, 64])


@insn("1 0 0 11010110 Rm:5 001100 Rn:5 Rd:5", "PACGA")
def pointer_authentication_generic(Rm, Rn, Rd):
    """PACGA <Xd>, <Xn>, <Xm|SP>"""
    if not IsFeatureImplemented("FEAT_PAuth"):
        raise Undefined
    X[Rd, 64] = ComputeGenericPAC(X[Rn, 64], XSP[Rm, 64])
