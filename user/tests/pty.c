// SPDX-License-Identifier: GPL-2.0
/*
 * pty KEYS COMMAND...: runs COMMAND on a terminal of its own, and presses a key
 * every half second. A "." is no key. What COMMAND writes comes out as it is.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KEY_MS	500

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	struct winsize size = { .ws_row = 24, .ws_col = 120 };
	const char *keys = argc > 2 ? argv[1] : "";
	char text[4096];
	struct pollfd p;
	int status;
	pid_t pid;
	long next;
	ssize_t n;

	if (argc < 3)
		return 2;
	pid = forkpty(&p.fd, NULL, NULL, &size);
	if (pid < 0)
		return 1;
	if (!pid) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	p.events = POLLIN;
	for (next = now_ms() + KEY_MS;;) {
		n = next - now_ms();
		n = poll(&p, 1, n < 0 ? 0 : n);
		if (n > 0) {
			n = read(p.fd, text, sizeof(text));
			if (n <= 0)
				break;
			if (write(STDOUT_FILENO, text, n) != n)
				return 1;
		}
		if (now_ms() < next)
			continue;
		if (*keys && *keys != '.' && write(p.fd, keys, 1) != 1)
			return 1;
		keys += !!*keys;
		next += KEY_MS;
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
