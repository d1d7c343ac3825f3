"""Instructions of absent extensions."""

import pytest

from assay64.harness.cases.authoring import CODE, case, expect, given, undefined
from assay64.harness.cases.case import Environment
from assay64.reference import model

pytestmark = pytest.mark.undefined

FULL = given(x0=CODE, x1=0x81, x2=5, x16=CODE, x30=CODE, nzcv=0b1011)


@pytest.mark.parametrize(
    ("word", "feature"),
    [
        pytest.param(0xBA00_8428, "FEAT_FlagM", id="rmif"),
        pytest.param(0x3A00_082D, "FEAT_FlagM", id="setf8"),
        pytest.param(0xDAC0_1820, "FEAT_CSSC", id="ctz"),
        pytest.param(0x5AC0_2020, "FEAT_CSSC", id="abs-32-bit"),
        pytest.param(0x9AC2_6020, "FEAT_CSSC", id="smax"),
        pytest.param(0x91C0_0420, "FEAT_CSSC", id="smax-immediate"),
        pytest.param(0xDAC1_0020, "FEAT_PAuth", id="pacia"),
        pytest.param(0xDAC1_43E1, "FEAT_PAuth", id="xpaci"),
        pytest.param(0x9AC2_3020, "FEAT_PAuth", id="pacga"),
        pytest.param(0xD71F_0801, "FEAT_PAuth", id="braa"),
        pytest.param(0xD65F_0BFF, "FEAT_PAuth", id="retaa"),
        pytest.param(0x9AC2_0020, "FEAT_MTE", id="subp"),
        pytest.param(0x9AC2_1020, "FEAT_MTE", id="irg"),
        pytest.param(0x9AC2_1420, "FEAT_MTE", id="gmi"),
        pytest.param(0x9180_0420, "FEAT_MTE", id="addg"),
        pytest.param(0x9A02_2020, "FEAT_CPA", id="addpt"),
        pytest.param(0x9B62_7C20, "FEAT_CPA", id="maddpt"),
        pytest.param(0x5400_0050, "FEAT_HBC", id="bc-cond"),
        pytest.param(0xD503_30FF, "FEAT_SB", id="sb"),
        pytest.param(0xD503_323F, "FEAT_XS", id="dsb-nxs"),
        pytest.param(0xD503_1000, "FEAT_WFxT", id="wfet"),
    ],
)
def test_undefined_on_a_cpu_model_without_the_extension(backend, word, feature):
    assert feature not in model(Environment().model).features
    case(word, FULL, expect(exit=undefined())).check(backend)
