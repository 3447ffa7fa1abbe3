/* Linked into the static programs of a suite: each says first in which ring it runs. */

#include <unistd.h>

__attribute__((constructor)) static void tell_ring(void)
{
	char said[] = "ring _\n";
	unsigned long cs;

	__asm__("mov %%cs, %0" : "=r"(cs));
	said[5] = (char)('0' + (cs & 3));
	if (write(1, said, sizeof said - 1) < 0)
		_exit(97);
}
