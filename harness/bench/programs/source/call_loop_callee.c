/* The function that call_loop.c calls. */
int foo(int i);

int foo(int i) { return i + 1; }
