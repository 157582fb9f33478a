// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runfile.h"

/* A hold ends in no time, but for a device that does not answer */
#define END_MS	30000

/* Root's place does not depend on how one became root */
static void run_dir(char *path, size_t size)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (!geteuid())
		dir = "/run";
	else if (!dir || *dir != '/')
		die("set XDG_RUNTIME_DIR to a directory of yours: resume finds the holder there");
	snprintf(path, size, "%s/gpreempt", dir);
}

/*
 * The name of a target in full, whatever way it was written. Cgroups that are
 * gone keep the name that they were given.
 */
static void describe(const struct target *t, char *text, size_t size)
{
	char path[PATH_MAX];
	const char *cgroup = t->cgroup;

	if (cgroup && realpath(cgroup, path))
		cgroup = path;
	snprintf(text, size, "pid=%d queue=%d cgroup=%s gpu=%s", t->pid,
		 t->one_queue ? (int)t->queue : -1, cgroup ? cgroup : "", t->gpu ? t->gpu : "");
}

/* Paths of cgroups can be longer than the name of a file: FNV-1a, 64 bits */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325;

	while (*text)
		h = (h ^ (unsigned char)*text++) * 0x100000001b3;
	return h;
}

static void runfile_path(struct runfile *f, const struct target *t)
{
	char dir[PATH_MAX - 64], text[2 * PATH_MAX];

	run_dir(dir, sizeof(dir));
	describe(t, text, sizeof(text));
	snprintf(f->path, sizeof(f->path), "%s/%016" PRIx64 ".hold", dir, hash(text));
}

/* Opened to write: fails if nobody reads */
static int open_of_holder(const struct runfile *f)
{
	int fd = open(f->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno != ENOENT && errno != ENXIO)
		die("%s: %m", f->path);
	return fd;
}

/* False if the target is held already */
bool runfile_take(struct runfile *f, const struct target *t)
{
	char dir[PATH_MAX - 64], ours[PATH_MAX];
	int fd;

	run_dir(dir, sizeof(dir));
	if (mkdir(dir, 0755) && errno != EEXIST)
		die("cannot make %s: %m", dir);
	runfile_path(f, t);
	/* It has a reader when it gets its name. Ours to write as well, it never ends. */
	snprintf(ours, sizeof(ours), "%s/%d.new", dir, getpid());
	if (mkfifo(ours, 0600))
		die("cannot make %s: %m", ours);
	f->fd = open(ours, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (f->fd < 0)
		die("%s: %m", ours);
	while (link(ours, f->path)) {
		if (errno != EEXIST)
			die("cannot make %s: %m", f->path);
		fd = open_of_holder(f);
		if (fd >= 0) {
			close(fd);
			unlink(ours);
			return false;
		}
		/* Of a holder that was killed */
		unlink(f->path);
	}
	unlink(ours);
	return true;
}

void runfile_remove(struct runfile *f)
{
	if (f->fd < 0)
		return;
	unlink(f->path);
	close(f->fd);
	f->fd = -1;
}

/* False if there is no holder. All is resumed when it returns. */
bool runfile_end_holder(const struct target *t)
{
	struct pollfd p = { .events = 0 };
	struct runfile f;

	runfile_path(&f, t);
	p.fd = open_of_holder(&f);
	if (p.fd < 0)
		return false;
	/* It may end by itself meanwhile */
	signal(SIGPIPE, SIG_IGN);
	if (write(p.fd, "", 1) < 0 && errno != EPIPE)
		die("%s: %m", f.path);
	/* The end of the last reader is an error */
	if (poll(&p, 1, END_MS) <= 0)
		die("the holder has not ended after %d s: see the kernel log", END_MS / 1000);
	close(p.fd);
	return true;
}
