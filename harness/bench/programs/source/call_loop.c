/* The call loop of D. Mihocka and S. Shwartsman, "Virtualization Without Direct Execution or Jitting" (AMAS-BT 2008):
   t += foo(i), where foo(i) = i + 1. `repeats` is the number of calls, 100 million in the paper; there is no size. The
   function stands in call_loop_callee.c, so that an optimising compiler leaves the call in. */
#include "program.h"

int foo(int i);

uint64_t run(uint64_t repeats, uint64_t size) {
    (void)size;
    unsigned t = 0;
    for (int i = 0; i < (int)repeats; i++)
        t += (unsigned)foo(i);
    return t;
}
