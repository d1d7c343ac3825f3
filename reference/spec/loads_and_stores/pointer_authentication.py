"""Load register (pointer authentication)."""

from assay64.reference.pseudocode import (
    UNKNOWN,
    XSP,
    AuthKey,
    CheckSPAlignment,
    Constraint,
    ConstrainUnpredictable,
    CreateAccDescGPR,
    IsFeatureImplemented,
    Mem,
    MemOp,
    SignExtend,
    Undefined,
    X,
    Zeros,
    bits,
    insn,
)
from assay64.reference.spec.loads_and_stores._register import overlaps


@insn("11 111 0 00 M S 1 imm9:9 W 1 Rn:5 Rt:5", "M: LDRAA LDRAB")
def load_register_authenticated(M, S, imm9, W, Rn, Rt):
    """LDRAA <Xt>, [<Xn|SP>{, #<simm>}]{!}: the base is authenticated with the data key and a modifier of zero"""
    if not IsFeatureImplemented("FEAT_PAuth"):
        raise Undefined
    offset = SignExtend(S @ imm9 @ Zeros(3), 64)
    wback, wb_unknown = bool(W), False
    if wback and overlaps(Rn, Rt):
        constraint = ConstrainUnpredictable("WBOVERLAPLD")
        wback = constraint is not Constraint.WBSUPPRESS
        wb_unknown = constraint is Constraint.UNKNOWN
    address = AuthKey(XSP[Rn, 64], Zeros(64), bits(1, 1) @ M, is_combined=True) + offset
    CheckSPAlignment(Rn)
    X[Rt, 64] = Mem[address, 8, CreateAccDescGPR(MemOp.LOAD)]
    if wback:
        XSP[Rn, 64] = UNKNOWN(64) if wb_unknown else address
