// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation that a request makes fails in turn. The request succeeds or
 * has an error; then everything is as before, the queue is where the query says,
 * and its work is done exactly once. Leaks are for kmemleak to find.
 *
 * Needs CONFIG_FAULT_INJECTION_DEBUG_FS, FAILSLAB and FAIL_PAGE_ALLOC.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "kfd_gpreempt_test.h"

#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define DRAIN		KFD_IOC_PREEMPT_WAVEFRONT_DRAIN
#define ENABLE		KFD_IOC_GPREEMPT_PARAM_ENABLE
#define INTERVAL_US	KFD_IOC_GPREEMPT_PARAM_INTERVAL_US

#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED

/* More than any request makes */
#define MAX_NTH		200

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAIL_PAGES	"/sys/kernel/debug/fail_page_alloc/"

static bool have_fault_injection(void)
{
	return !put(FAILSLAB "ignore-gfp-wait", "N") &&
	       !put(FAILSLAB "verbose", "0") &&
	       !put(FAIL_PAGES "ignore-gfp-wait", "N") &&
	       !put(FAIL_PAGES "ignore-gfp-highmem", "N") &&
	       !put(FAIL_PAGES "min-order", "0") &&
	       !put(FAIL_PAGES "verbose", "0");
}

FIXTURE_SETUP(kfd)
{
	const char *why;

	if (!have_fault_injection())
		SKIP(return, "no fault injection");
	why = setup_monitor(_metadata, self);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 0));
}

/**
 * struct nth - the sweep over the allocations of a request
 * @fd: this task's fail-nth
 * @n: the one that fails
 * @hit: there was an nth allocation
 */
struct nth {
	int fd;
	int n;
	bool hit;
};

static int nth_open(struct nth *nth)
{
	nth->n = 1;
	nth->fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return nth->fd;
}

static void nth_begin(struct nth *nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth->n);

	if (pwrite(nth->fd, text, len, 0) != len)
		nth->n = MAX_NTH;
}

static void nth_end(struct nth *nth)
{
	char text[16] = "";

	if (pread(nth->fd, text, sizeof(text) - 1, 0) <= 0 || pwrite(nth->fd, "0", 1, 0) != 1)
		nth->n = MAX_NTH;
	nth->hit = !atoi(text);
	nth->n++;
}

/* r = call, with an allocation failing as the variable nth says */
#define WITH_FAULT(r, call)		\
	do {				\
		nth_begin(&nth);	\
		(r) = (call);		\
		nth_end(&nth);		\
	} while (0)

/* Queue 0 is moved, 1 has waves all the time, 2 shows that the device is alive */
static void start(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	int i;

	for (i = 0; i < 3; i++)
		create(_metadata, self, i, 7);
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[2], GFX942_COUNT, 100, 1));
}

static void still_alive(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	kfd_job_submit(&self->job[2], &self->q[2]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[2], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[2], self->job[2].submitted));
}

KFD_TEST(fail_preempt)
{
	struct kfd_ioctl_gpreempt_args before, after;
	int r, failed = 0;
	struct nth nth;

	start(_metadata, self);
	ASSERT_LE(0, nth_open(&nth));
	do {
		before = query(&self->kfd, &self->q[0]);
		WITH_FAULT(r, kfd_queue_preempt(&self->q[0], SAVE, 0));
		after = query(&self->kfd, &self->q[0]);
		EXPECT_EQ(before.preemptions + !r, after.preemptions);
		EXPECT_EQ(before.queue_preemptions + !r, after.queue_preemptions);
		if (r) {
			failed++;
			EXPECT_TRUE(nth.hit);
			EXPECT_EQ(-ENOMEM, r);
			EXPECT_EQ(ACTIVE, after.queue_state);
			EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, after.queue_holder);
		} else {
			EXPECT_EQ(PREEMPTED, after.queue_state);
			EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_IOCTL, after.queue_holder);
		}
		still_alive(_metadata, self);
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
		EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(0, r);
	/* With HWS there is a runlist to allocate */
	EXPECT_TRUE(failed || kfd_no_hws());
	finish(_metadata, self, 0);
	finish(_metadata, self, 1);
}

KFD_TEST(preempt_drain)
{
	struct kfd_ioctl_gpreempt_args after;
	int r, expected;
	struct nth nth;

	start(_metadata, self);
	expected = kfd_no_hws() ? 0 : -EOPNOTSUPP;
	finish(_metadata, self, 0);
	ASSERT_LE(0, nth_open(&nth));
	do {
		WITH_FAULT(r, kfd_queue_preempt(&self->q[0], DRAIN, 0));
		EXPECT_TRUE(r == expected || (nth.hit && r == -ENOMEM));
		after = query(&self->kfd, &self->q[0]);
		EXPECT_EQ(r ? ACTIVE : PREEMPTED, after.queue_state);
		still_alive(_metadata, self);
		EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(expected, r);
	finish(_metadata, self, 1);
}

KFD_TEST(fail_resume)
{
	struct kfd_ioctl_gpreempt_args before, after;
	int r, failed = 0;
	struct nth nth;

	start(_metadata, self);
	ASSERT_LE(0, nth_open(&nth));
	do {
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		before = query(&self->kfd, &self->q[0]);
		WITH_FAULT(r, kfd_queue_resume(&self->q[0]));
		after = query(&self->kfd, &self->q[0]);
		EXPECT_EQ(before.resumes + !r, after.resumes);
		EXPECT_EQ(before.preemptions, after.preemptions);
		if (r) {
			failed++;
			EXPECT_TRUE(nth.hit);
			EXPECT_EQ(-ENOMEM, r);
			EXPECT_EQ(PREEMPTED, after.queue_state);
			EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_IOCTL, after.queue_holder);
		} else {
			EXPECT_EQ(ACTIVE, after.queue_state);
			EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, after.queue_holder);
		}
		still_alive(_metadata, self);
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(0, r);
	EXPECT_TRUE(failed || kfd_no_hws());
	finish(_metadata, self, 0);
	finish(_metadata, self, 1);
}

/* Neither the request nor the way back from it gets any memory */
KFD_TEST(all_fail)
{
	struct kfd_ioctl_gpreempt_args after;
	int fd, i, r;

	start(_metadata, self);
	fd = open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, put(FAILSLAB "task-filter", "Y"));
	ASSERT_EQ(0, put(FAILSLAB "times", "-1"));
	ASSERT_EQ(0, put(FAILSLAB "probability", "100"));
	for (i = 0; i < 4; i++) {
		if (i & 1)
			EXPECT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		EXPECT_EQ(1, pwrite(fd, "1", 1, 0));
		r = i & 1 ? kfd_queue_resume(&self->q[0]) :
			    kfd_queue_preempt(&self->q[0], SAVE, 0);
		EXPECT_EQ(1, pwrite(fd, "0", 1, 0));
		EXPECT_EQ(kfd_no_hws() ? 0 : -ENOMEM, r);
		after = query(&self->kfd, &self->q[0]);
		EXPECT_EQ(!r == !(i & 1) ? PREEMPTED : ACTIVE, after.queue_state);
		/* The next runlist brings everything back */
		EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
		EXPECT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		still_alive(_metadata, self);
		EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));
	}
	EXPECT_EQ(0, put(FAILSLAB "probability", "0"));
	EXPECT_EQ(0, put(FAILSLAB "task-filter", "N"));
	close(fd);
	finish(_metadata, self, 0);
	finish(_metadata, self, 1);
}

KFD_TEST(query_get_set)
{
	struct kfd_ioctl_gpreempt_args args;
	struct nth nth;
	__u64 value;
	int r;

	create(_metadata, self, 0, 7);
	ASSERT_LE(0, nth_open(&nth));
	do {
		WITH_FAULT(r, kfd_gpreempt_query(&self->kfd, &self->q[0], &args));
		EXPECT_TRUE(!r || (nth.hit && r == -ENOMEM));
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(0, r);
	nth.n = 1;
	do {
		WITH_FAULT(r, kfd_gpreempt_set(&self->kfd, INTERVAL_US, 4000 + nth.n));
		EXPECT_TRUE(!r || (nth.hit && r == -ENOMEM));
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(0, r);
	nth.n = 1;
	do {
		WITH_FAULT(r, kfd_gpreempt_get(&self->kfd, INTERVAL_US, &value));
		EXPECT_TRUE(!r || (nth.hit && r == -ENOMEM));
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(0, r);
	EXPECT_LT(4000, value);
}

#define READ_ALL (KFD_IOC_GPREEMPT_READ_PENDING | KFD_IOC_GPREEMPT_READ_WAVES)

/* The query that reads registers, and the walk over queues and processes */
KFD_TEST(query_all)
{
	struct kfd_ioctl_gpreempt_args args;
	int r, failed = 0;
	struct nth nth;

	create(_metadata, self, 0, 7);
	launch(_metadata, self, 0);
	ASSERT_LE(0, nth_open(&nth));
	do {
		WITH_FAULT(r, kfd_gpreempt_next_queue(&self->kfd, 0, 0, READ_ALL, &args));
		failed += !!r;
		EXPECT_TRUE(!r || (nth.hit && r == -ENOMEM));
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(0, r);
	EXPECT_EQ(100, args.queue_waves);
	/* The mock and a real device know the waves, and need memory for it */
	EXPECT_LT(0, failed);
	nth.n = 1;
	do {
		WITH_FAULT(r, kfd_gpreempt_next_pid(&self->kfd, 0));
		EXPECT_TRUE(r == getpid() || (nth.hit && r == -ENOMEM));
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(getpid(), r);
	finish(_metadata, self, 0);
}

/* On: it works or is off. Off, while it holds a queue: that is anybody's then */
KFD_TEST(enable)
{
	struct kfd_ioctl_gpreempt_args after;
	int r, failed = 0;
	struct nth nth;
	__u64 on;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	create(_metadata, self, 2, 12);
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[2], GFX942_COUNT, 100, 1));
	ASSERT_LE(0, nth_open(&nth));
	do {
		WITH_FAULT(r, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
		ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, ENABLE, &on));
		EXPECT_EQ(!r, on);
		if (r) {
			failed++;
			EXPECT_TRUE(nth.hit);
			EXPECT_EQ(-ENOMEM, r);
		} else {
			EXPECT_TRUE(wait_state(&self->q[0], PREEMPTED));
		}
		EXPECT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 0));
		EXPECT_EQ(ACTIVE, query(&self->kfd, &self->q[0]).queue_state);
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(0, r);
	EXPECT_LT(0, failed);

	nth.n = 1;
	failed = 0;
	do {
		ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
		ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
		WITH_FAULT(r, kfd_gpreempt_set(&self->kfd, ENABLE, 0));
		ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, ENABLE, &on));
		EXPECT_EQ(0, on);
		after = query(&self->kfd, &self->q[0]);
		still_alive(_metadata, self);
		if (r) {
			failed++;
			EXPECT_TRUE(nth.hit);
			EXPECT_EQ(-ENOMEM, r);
			EXPECT_EQ(PREEMPTED, after.queue_state);
			EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NOBODY, after.queue_holder);
			EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
			after = query(&self->kfd, &self->q[0]);
		}
		EXPECT_EQ(ACTIVE, after.queue_state);
		EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, after.queue_holder);
	} while (nth.hit && nth.n < MAX_NTH);
	EXPECT_EQ(0, r);
	EXPECT_TRUE(failed || kfd_no_hws());
	finish(_metadata, self, 1);
	finish(_metadata, self, 0);
}

/* What cannot be put back when its holder's file is closed is anybody's */
KFD_TEST(close_file)
{
	struct kfd_ioctl_gpreempt_args after;
	struct kfd second = self->kfd;
	int r, hits = 0;
	struct nth nth;

	start(_metadata, self);
	ASSERT_LE(0, nth_open(&nth));
	do {
		second.fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, second.fd);
		self->q[0].kfd = &second;
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		self->q[0].kfd = &self->kfd;
		WITH_FAULT(r, close(second.fd));
		EXPECT_EQ(0, r);
		hits += nth.hit;
		after = query(&self->kfd, &self->q[0]);
		still_alive(_metadata, self);
		if (after.queue_state == PREEMPTED) {
			EXPECT_TRUE(nth.hit);
			EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NOBODY, after.queue_holder);
			EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
			after = query(&self->kfd, &self->q[0]);
		}
		EXPECT_EQ(ACTIVE, after.queue_state);
		EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, after.queue_holder);
	} while (nth.hit && nth.n < MAX_NTH);
	/* The driver may have tried again before we looked */
	EXPECT_TRUE(hits || kfd_no_hws());
	finish(_metadata, self, 0);
	finish(_metadata, self, 1);
}

static int open_holder(struct _test_data_kfd *self, struct kfd *holder, int from, int to)
{
	int i, r = 0;

	*holder = self->kfd;
	holder->fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	for (i = from; i < to && !r; i++) {
		self->q[i].kfd = holder;
		r = kfd_queue_preempt(&self->q[i], SAVE, 0);
		self->q[i].kfd = &self->kfd;
	}
	return r;
}

/* However many these are, they all come back by themselves */
KFD_TEST(close_many)
{
	struct kfd holder[2];
	struct nth nth;
	int i, r, hits;

	for (i = 0; i < 16; i++)
		create(_metadata, self, i, 7);
	ASSERT_LE(0, nth_open(&nth));
	do {
		ASSERT_EQ(0, open_holder(self, &holder[0], 0, 8));
		ASSERT_EQ(0, open_holder(self, &holder[1], 8, 16));
		WITH_FAULT(r, close(holder[0].fd));
		EXPECT_EQ(0, r);
		hits = nth.hit;
		nth.n--;
		WITH_FAULT(r, close(holder[1].fd));
		EXPECT_EQ(0, r);
		for (i = 0; i < 16; i++)
			ASSERT_TRUE(wait_state(&self->q[i], ACTIVE));
	} while ((hits || nth.hit) && nth.n < MAX_NTH);
}

static int open_monitor_nth(void)
{
	char path[300], comm[32];
	struct dirent *e;
	int fd = -1;
	FILE *f;
	DIR *d;

	d = opendir("/proc");
	while (d && fd < 0 && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%.200s/comm", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strncmp(comm, "gpreempt/", 9)) {
			snprintf(path, sizeof(path), "/proc/%.200s/fail-nth", e->d_name);
			fd = open(path, O_RDWR | O_CLOEXEC);
		}
		fclose(f);
	}
	if (d)
		closedir(d);
	return fd;
}

/* A shortage passes: the monitor tries again, and stays on */
KFD_TEST(monitor)
{
	struct nth nth = {};
	int hits = 0;
	__u64 on;

	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	launch(_metadata, self, 0);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_WAIT, 100, 1));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	nth.fd = open_monitor_nth();
	ASSERT_LE(0, nth.fd);
	/* Two for a preemption and a resume; some more for what there may be */
	for (nth.n = 1; nth.n <= 6;) {
		nth_begin(&nth);
		*self->job[1].flag = 0;
		kfd_job_submit(&self->job[1], &self->q[1]);
		EXPECT_TRUE(wait_state(&self->q[0], PREEMPTED));
		kfd_job_release(&self->job[1]);
		ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
		EXPECT_TRUE(wait_state(&self->q[0], ACTIVE));
		nth_end(&nth);
		hits += nth.hit;
		EXPECT_EQ(0, kfd_job_wrong(&self->job[1], nth.n - 1));
		ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, ENABLE, &on));
		EXPECT_EQ(1, on);
	}
	close(nth.fd);
	EXPECT_TRUE(hits || kfd_no_hws());
	finish(_metadata, self, 0);
}

TEST_HARNESS_MAIN
