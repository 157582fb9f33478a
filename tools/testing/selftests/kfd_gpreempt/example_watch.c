// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Print inversions, preemptions and resumes as they happen, until so many lines
 * were printed, or until Ctrl-C. A trace instance of its own leaves others alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#define INSTANCE	"/sys/kernel/tracing/instances/gpreempt"

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		perror(path);
	return fd;
}

/* Print what comes, until there were enough lines or a signal comes */
static void watch(int trace, int signals, unsigned long lines)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = trace, .events = POLLIN },
	};
	unsigned long seen = 0;
	char text[4096];
	ssize_t n, i;

	while (!lines || seen < lines) {
		if (poll(fds, 2, -1) < 0 || fds[0].revents)
			break;
		n = read(trace, text, sizeof(text));
		for (i = 0; i < n; i++)
			seen += text[i] == '\n';
		if (n > 0)
			fwrite(text, 1, n, stdout);
		fflush(stdout);
	}
}

static int run(int signals, unsigned long lines)
{
	int enable = open_file(INSTANCE "/events/kfd_gpreempt/enable", O_WRONLY);
	int trace = open_file(INSTANCE "/trace_pipe", O_RDONLY | O_NONBLOCK);
	int r = -1;

	if (enable >= 0 && trace >= 0 && write(enable, "1", 1) == 1) {
		watch(trace, signals, lines);
		r = 0;
	}
	if (enable >= 0)
		close(enable);
	if (trace >= 0)
		close(trace);
	return r;
}

int main(int argc, char **argv)
{
	sigset_t set;
	int signals, r;

	/* These are read, for the instance is to be removed in the end */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0) {
		perror("signalfd");
		return 1;
	}
	if (mkdir(INSTANCE, 0700)) {
		fprintf(stderr, INSTANCE ": %s\n", errno == EEXIST ?
			"exists: is this program running already?" : strerror(errno));
		return 1;
	}
	r = run(signals, argc > 1 ? strtoul(argv[1], NULL, 0) : 0);
	rmdir(INSTANCE);
	return r ? 1 : 0;
}
