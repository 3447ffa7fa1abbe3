/*
 * doomed PROGRAM ARGUMENT...: becomes the program, after it has left behind a
 * companion that kills it as soon as a line is typed on the console.
 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	pid_t program = getpid();

	if (argc < 2)
		return 1;
	if (fork() == 0) {
		char line[80];
		int console = open("/dev/console", O_RDONLY);

		if (read(console, line, sizeof line) > 0)
			kill(program, SIGKILL);
		return 0;
	}
	execv(argv[1], argv + 1);
	return 1;
}
