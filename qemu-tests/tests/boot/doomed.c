/*
 * doomed PROGRAM ARGUMENT...: becomes the program, after it has left behind a
 * companion that obeys what is typed on the console: it kills the program, or, at
 * "reload", tells it to begin anew without a pause. The companion is nobody's child:
 * the server waits for each of its own before it begins anew.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char reload[] = "reload";
	pid_t program = getpid();

	if (argc < 2)
		return 1;
	if (fork() == 0) {
		if (fork())
			_exit(0);
		char line[80];
		int console = open("/dev/console", O_RDONLY), signal = SIGUSR1;

		while (signal != SIGKILL && read(console, line, sizeof line) > 0) {
			if (strncmp(line, reload, sizeof reload - 1))
				signal = SIGKILL;
			kill(program, signal);
		}
		return 0;
	}
	wait(0);
	execv(argv[1], argv + 1);
	return 1;
}
