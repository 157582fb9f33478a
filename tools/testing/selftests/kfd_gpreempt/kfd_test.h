/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests share: the fixture, child processes, a look at time */
#ifndef KFD_TEST_H
#define KFD_TEST_H

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <kselftest_harness.h>
#include "kfd_lib.h"

/* Has KFD still something of a process that is gone? */
static inline bool kfd_has_dead(void)
{
	DIR *d = opendir("/sys/class/kfd/kfd/proc");
	struct dirent *e;
	bool dead = false;
	pid_t pid;

	while (d && !dead && (e = readdir(d))) {
		pid = atoi(e->d_name);
		dead = pid > 0 && kill(pid, 0) && errno == ESRCH;
	}
	if (d)
		closedir(d);
	return dead;
}

/* Queues, slots and VMIDs of the test before come back a little after its end */
static inline bool dead_have_left(void)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	/* Elsewhere there may be processes of other namespaces */
	while (kfd_mock_present() && kfd_has_dead()) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/* The harness gives 30 s; KASAN under emulation may want more */
#define TEST_SECONDS		300
#define KFD_TEST(name)		TEST_F_TIMEOUT(kfd, name, TEST_SECONDS)

#define LOOPS_MS(ms)		((ms) * 1000000u / GFX942_LOOP_NS)
#define MAX_JOBS		64
#define MAX_QUEUES		64

/* A program that opens more than one GPU has a fixture of its own */
#ifndef KFD_OWN_FIXTURE
FIXTURE(kfd)
{
	struct kfd kfd;
	struct kfd_queue q[MAX_QUEUES];
	struct kfd_job job[MAX_JOBS];
	long long violations;
	bool monitor;		/* was it set up? then put this back: */
	__u64 param[KFD_IOC_GPREEMPT_PARAM_RANK + 1];
};

/* A test that must not have a KFD process of its own yet calls this later */
static inline int test_open(struct kfd *kfd)
{
	int r;

	if (!dead_have_left())
		return -EBUSY;
	r = kfd_open(kfd);

	return r == -EACCES ? -ENODEV : r;
}

FIXTURE_TEARDOWN(kfd)
{
	__u32 i;

	for (i = 0; self->monitor && i <= KFD_IOC_GPREEMPT_PARAM_RANK; i++)
		EXPECT_EQ(0, kfd_gpreempt_set(&self->kfd, i, self->param[i]));
	/* What the mock GPU has seen; without it both are -1 */
	EXPECT_EQ(self->violations, kfd_mock_violations());
}
#endif

/* Both print and fail; for child processes, which have no harness */
#define CHILD_CHECK(cond)						\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "# child: line %d: %s, errno %d\n", \
				__LINE__, #cond, errno);		\
			_exit(1);					\
		}							\
	} while (0)

/* A page that forked processes share, to go forward in step */
struct shared {
	int step;
	int stop;
	__u64 value[16];
};

static inline struct shared *shared_page(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static inline void set_step(struct shared *s, int step)
{
	__atomic_store_n(&s->step, step, __ATOMIC_RELEASE);
}

static inline int get_step(struct shared *s)
{
	return __atomic_load_n(&s->step, __ATOMIC_ACQUIRE);
}

static inline bool wait_step(struct shared *s, int step)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (get_step(s) < step) {
		if (kfd_now_us() > end)
			return false;
		usleep(500);
	}
	return true;
}

static inline bool wait_value(__u64 *value, __u64 at_least)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (__atomic_load_n(value, __ATOMIC_ACQUIRE) < at_least) {
		if (kfd_now_us() > end)
			return false;
		usleep(500);
	}
	return true;
}

/* Start fn in a process that has no KFD file of its parent */
static inline pid_t start_child(struct kfd *parents, void (*fn)(struct shared *s),
				struct shared *s)
{
	pid_t pid = fork();

	if (!pid) {
		/* A test that fails leaves none behind */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (parents) {
			parents->doorbells = NULL;
			kfd_close(parents);
		}
		fn(s);
		_exit(0);
	}
	return pid;
}

/* Return: true when the process ended well */
static inline bool end_child(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static inline bool kill_child(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

/* Wait until the queue has read n packets, and their waves had time to start */
static inline int wait_launched(struct kfd_queue *q, long long n)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (kfd_queue_rptr(q) < n) {
		if (kfd_now_us() > end)
			return -ETIME;
		usleep(200);
	}
	usleep(5000);
	return 0;
}

#endif
