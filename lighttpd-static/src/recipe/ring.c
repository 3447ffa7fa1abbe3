/* Linked into a server that is to run in ring 0: it says on the console in which it
   does, since nobody else can tell for certain. */

#include <unistd.h>

__attribute__((constructor)) static void tell_ring(void)
{
	char text[] = "appliance: the server runs in ring N\n";
	unsigned long segment;

	__asm__("mov %%cs, %0" : "=r"(segment));
	text[sizeof text - 3] = '0' + (segment & 3);
	/* The builder runs the program too, to check a configuration. */
	if (getppid() == 1 && write(STDERR_FILENO, text, sizeof text - 1) < 0)
		return;
}
