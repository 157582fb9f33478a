// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of what fails below the driver: a queue that does not let itself be
 * preempted, firmware that hangs or does not answer, a GPU that is reset. The
 * request has an error, whoever is innocent goes on, the monitor knows when to
 * stop. Needs the mock GPU, which fails on request.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>

#include "kfd_gpreempt_test.h"

#define SAVE		KFD_IOC_PREEMPT_WAVEFRONT_SAVE
#define ENABLE		KFD_IOC_GPREEMPT_PARAM_ENABLE

#define ACTIVE		KFD_IOC_GPREEMPT_QUEUE_ACTIVE
#define PREEMPTED	KFD_IOC_GPREEMPT_QUEUE_PREEMPTED

/* More than a healthy preemption takes, also with KASAN under emulation */
#define FENCE_MS	2000
#define GIVEUP_MS	20

static const char * const faults[] = {
	"mock_preempt_us", "mock_ignore_preempt", "mock_lost_fence", "mock_giveup_ms", NULL
};

static long timeout_ms;

static void no_faults(void)
{
	int i;

	for (i = 0; faults[i]; i++)
		kfd_set_module_param(faults[i], 0);
}

/* Also after a test that did not come to its end */
static void __attribute__((constructor)) begin(void)
{
	timeout_ms = kfd_module_param("queue_preemption_timeout_ms", 9000);
}

static void __attribute__((destructor)) end(void)
{
	if (!kfd_mock_present())
		return;
	no_faults();
	kfd_set_module_param("queue_preemption_timeout_ms", timeout_ms);
}

FIXTURE_SETUP(kfd)
{
	const char *why;

	if (!kfd_mock_present())
		SKIP(return, "needs the mock GPU");
	why = setup_monitor(_metadata, self);
	if (why)
		SKIP(return, "%s", why);
	no_faults();
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", FENCE_MS));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 0));
}

static bool wait_stat(const char *name, long long at_least)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (kfd_mock_stat(name) < at_least) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

static bool wait_off(struct kfd *kfd)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull, on;

	while (!kfd_gpreempt_get(kfd, ENABLE, &on) && on) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

static int find_doorbell(__u32 priority)
{
	char line[512], *s;
	int doorbell = -1;
	unsigned int d, p;
	FILE *f;

	f = fopen("/sys/kernel/debug/kfd_mock0/queues", "r");
	while (f && fgets(line, sizeof(line), f)) {
		s = strstr(line, "doorbell ");
		if (s && sscanf(s, "doorbell %x priority %u", &d, &p) == 2 && p == priority)
			doorbell = d;
	}
	if (f)
		fclose(f);
	return doorbell;
}

/* From now on the one queue of this priority ignores preemption */
static int make_deaf(__u32 priority)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	int doorbell;

	/* A runlist may be under way */
	do {
		doorbell = find_doorbell(priority);
		if (doorbell < 0)
			usleep(500);
	} while (doorbell < 0 && kfd_now_us() < end);
	if (doorbell < 0)
		return -ENOENT;
	kfd_set_module_param("mock_giveup_ms", GIVEUP_MS);
	return kfd_set_module_param("mock_ignore_preempt", doorbell);
}

/* The kernel log from now on */
static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* How many new lines say so? */
static int count_log(int fd, const char *what)
{
	char line[2048];
	int found = 0;
	ssize_t n;

	for (;;) {
		n = read(fd, line, sizeof(line) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return found;
		line[n] = 0;
		found += !!strstr(line, what);
	}
}

/* A process that has nothing to do with all this */
static void innocent_child(struct shared *s)
{
	unsigned int n = 0;
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, NULL));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_COUNT, 300, LOOPS_MS(1)));
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		kfd_job_submit_n(&job, &q, 4);
		n += 4;
		CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
		CHILD_CHECK(!kfd_job_wrong(&job, n));
		set_step(s, 1);
	}
	CHILD_CHECK(!kfd_queue_preempt(&q, SAVE, 0));
	CHILD_CHECK(!kfd_queue_resume(&q));
	CHILD_CHECK(!kfd_queue_update(&q));
	CHILD_CHECK(!kfd_queue_destroy(&q));
}

static pid_t start_innocent(struct kfd *kfd, struct shared *s)
{
	pid_t pid;

	set_step(s, 0);
	s->stop = 0;
	pid = start_child(kfd, innocent_child, s);
	if (pid > 0 && !wait_step(s, 1))
		return -1;
	return pid;
}

static bool end_innocent(pid_t pid, struct shared *s)
{
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELEASE);
	return end_child(pid);
}

/* The device serves a new process, which is preempted now and then */
static bool works(struct kfd *kfd)
{
	struct shared *s = shared_page();
	pid_t pid;
	bool ok;

	if (!s)
		return false;
	pid = start_innocent(kfd, s);
	ok = pid > 0 && end_innocent(pid, s);
	munmap(s, 4096);
	return ok;
}

/*
 * With HWS the queue is reset and the others are not. Without, it stays on the
 * hardware, from which it could not be taken, and can be asked again.
 */
KFD_TEST(deaf_queue)
{
	struct kfd_ioctl_gpreempt_args before, after;
	struct shared *s = shared_page();
	long long gpu_resets;
	pid_t pid;

	ASSERT_NE(NULL, s);
	pid = start_innocent(&self->kfd, s);
	ASSERT_LT(0, pid);
	create(_metadata, self, 0, 1);
	create(_metadata, self, 1, 2);
	create(_metadata, self, 2, 7);
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[2], GFX942_COUNT, 200, LOOPS_MS(1)));
	kfd_job_submit_n(&self->job[2], &self->q[2], 20);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[1], SAVE, 0));

	ASSERT_EQ(0, make_deaf(1));
	gpu_resets = kfd_mock_stat("gpu_resets");
	before = query(&self->kfd, &self->q[0]);
	ASSERT_EQ(-ETIME, kfd_queue_preempt(&self->q[0], SAVE, 0));
	after = query(&self->kfd, &self->q[0]);
	EXPECT_EQ(ACTIVE, after.queue_state);
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, after.queue_holder);
	EXPECT_EQ(0, after.queue_preemptions);
	EXPECT_EQ(before.preemptions, after.preemptions);
	EXPECT_EQ(before.resumes, after.resumes);
	EXPECT_EQ(0, kfd_queue_resume(&self->q[0]));
	EXPECT_EQ(gpu_resets, kfd_mock_stat("gpu_resets"));

	if (kfd_no_hws()) {
		no_faults();
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
		finish(_metadata, self, 0);
	} else {
		EXPECT_EQ(-EIO, kfd_queue_preempt(&self->q[0], SAVE, 0));
		kfd_job_release(&self->job[0]);
		no_faults();
	}

	ASSERT_EQ(0, kfd_job_wait(&self->job[2], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[2], 20));
	/* What was preempted before, and the other queues of the same process */
	EXPECT_EQ(PREEMPTED, query(&self->kfd, &self->q[1]).queue_state);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[2], SAVE, 0));
	ASSERT_EQ(0, kfd_queue_resume(&self->q[1]));
	finish(_metadata, self, 1);
	ASSERT_EQ(0, kfd_queue_resume(&self->q[2]));
	kfd_job_submit(&self->job[2], &self->q[2]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[2], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[2], 21));
	if (!kfd_no_hws())
		EXPECT_EQ(0, kfd_job_sum(&self->job[0]));

	EXPECT_EQ(0, kfd_queue_destroy(&self->q[0]));
	EXPECT_TRUE(end_innocent(pid, s));
	EXPECT_TRUE(works(&self->kfd));
}

/* Stock's own request on a queue that does not answer must stop nobody else */
KFD_TEST(deaf_queue_updated)
{
	struct shared *s = shared_page();
	pid_t pid;

	if (kfd_no_hws())
		SKIP(return, "no firmware resets the queue");
	ASSERT_NE(NULL, s);
	pid = start_innocent(&self->kfd, s);
	ASSERT_LT(0, pid);
	create(_metadata, self, 0, 1);
	create(_metadata, self, 1, 7);
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	ASSERT_EQ(0, make_deaf(1));
	EXPECT_EQ(-EACCES, kfd_queue_update(&self->q[0]));
	no_faults();
	finish(_metadata, self, 1);
	EXPECT_TRUE(end_innocent(pid, s));
}

/* One of two forked processes, which see their rings at the same address */
static void same_va_child(struct shared *s, int nr, bool guilty)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = guilty ? 1 : 2 };
	struct kfd_queue q;
	struct kfd_job job;
	struct kfd kfd;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_queue_create(&kfd, &q, &opts));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 100, 1));
	kfd_job_submit(&job, &q);
	CHILD_CHECK(!wait_launched(&q, 1));
	if (!guilty)
		CHILD_CHECK(!kfd_queue_preempt(&q, SAVE, 0));
	s->value[nr] = (uintptr_t)q.ring.cpu;
	set_step(s, nr + 1);
	CHILD_CHECK(wait_step(s, guilty ? 3 : 4));
	if (guilty) {
		CHILD_CHECK(kfd_queue_preempt(&q, SAVE, 0) == -ETIME);
		set_step(s, 4);
		return;
	}
	CHILD_CHECK(!kfd_queue_resume(&q));
	kfd_job_release(&job);
	CHILD_CHECK(!kfd_job_wait(&job, KFD_TIMEOUT_MS));
	CHILD_CHECK(!kfd_job_wrong(&job, 1));
	CHILD_CHECK(!kfd_queue_update(&q));
}

static void first_guilty(struct shared *s)
{
	same_va_child(s, 0, true);
}

static void first_innocent(struct shared *s)
{
	same_va_child(s, 0, false);
}

static void second_guilty(struct shared *s)
{
	same_va_child(s, 1, true);
}

static void second_innocent(struct shared *s)
{
	same_va_child(s, 1, false);
}

KFD_TEST(same_address)
{
	struct shared *s = shared_page();
	pid_t first, second;
	int i;

	if (kfd_no_hws())
		SKIP(return, "no firmware resets the queue");
	ASSERT_NE(NULL, s);
	for (i = 0; i < 2; i++) {
		set_step(s, 0);
		first = start_child(&self->kfd, i ? first_innocent : first_guilty, s);
		ASSERT_LT(0, first);
		ASSERT_TRUE(wait_step(s, 1));
		second = start_child(&self->kfd, i ? second_guilty : second_innocent, s);
		ASSERT_LT(0, second);
		ASSERT_TRUE(wait_step(s, 2));
		ASSERT_EQ(s->value[0], s->value[1]);
		ASSERT_EQ(0, make_deaf(1));
		set_step(s, 3);
		EXPECT_TRUE(wait_step(s, 4));
		EXPECT_TRUE(end_child(first));
		EXPECT_TRUE(end_child(second));
		no_faults();
	}
}

/* Late is not never */
KFD_TEST(slow_preemption)
{
	__u64 start;
	int i;

	create(_metadata, self, 0, 7);
	create(_metadata, self, 1, 7);
	launch(_metadata, self, 0);
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[1], GFX942_COUNT, 100, LOOPS_MS(1)));
	kfd_job_submit_n(&self->job[1], &self->q[1], 20);
	ASSERT_EQ(0, kfd_set_module_param("mock_preempt_us", 30000));
	for (i = 0; i < 3; i++) {
		start = kfd_now_us();
		ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
		EXPECT_LE(25000, kfd_now_us() - start);
		ASSERT_EQ(0, kfd_queue_resume(&self->q[0]));
	}
	no_faults();
	finish(_metadata, self, 0);
	ASSERT_EQ(0, kfd_job_wait(&self->job[1], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[1], 20));
}

/*
 * Nobody knows what firmware without an answer has done, so the GPU is reset.
 * Until then nothing else may wait for it, and after it processes of before
 * stay off the hardware.
 */
static void lost_with_reset(struct __test_metadata *_metadata, struct _test_data_kfd *self,
			    long long resets)
{
	struct kfd_ioctl_gpreempt_args args;
	int i, r;

	ASSERT_TRUE(wait_stat("gpu_resets", resets + 1));
	EXPECT_EQ(resets + 1, kfd_mock_stat("gpu_resets"));
	/* Wait for its end */
	EXPECT_TRUE(works(&self->kfd));
	for (i = 0; i < 2; i++) {
		r = kfd_queue_resume(&self->q[i]);
		EXPECT_TRUE(!r || r == -EIO);
		r = kfd_queue_preempt(&self->q[i], SAVE, 0);
		EXPECT_TRUE(!r || r == -EIO);
		r = kfd_queue_resume(&self->q[i]);
		EXPECT_TRUE(!r || r == -EIO);
		kfd_job_release(&self->job[i]);
	}
	usleep(20000);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, kfd_job_sum(&self->job[i]));
		args = query(&self->kfd, &self->q[i]);
		EXPECT_TRUE(args.queue_state == ACTIVE || args.queue_state == PREEMPTED);
		EXPECT_EQ(0, kfd_queue_destroy(&self->q[i]));
	}
	EXPECT_TRUE(works(&self->kfd));
}

KFD_TEST(lost_fence)
{
	struct kfd_ioctl_gpreempt_args before, after;
	long long resets, lost;

	if (kfd_no_hws())
		SKIP(return, "no firmware");
	create(_metadata, self, 0, 7);
	create(_metadata, self, 1, 7);
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[1], SAVE, 0));
	resets = kfd_mock_stat("gpu_resets");
	lost = kfd_mock_stat("fences_lost");
	before = query(&self->kfd, &self->q[0]);
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", 300));
	ASSERT_EQ(0, kfd_set_module_param("mock_lost_fence", 1));
	ASSERT_EQ(-ETIME, kfd_queue_preempt(&self->q[0], SAVE, 0));
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", FENCE_MS));
	after = query(&self->kfd, &self->q[0]);
	EXPECT_EQ(lost + 1, kfd_mock_stat("fences_lost"));
	EXPECT_EQ(ACTIVE, after.queue_state);
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, after.queue_holder);
	EXPECT_EQ(0, after.queue_preemptions);
	EXPECT_EQ(before.preemptions, after.preemptions);
	EXPECT_EQ(PREEMPTED, query(&self->kfd, &self->q[1]).queue_state);
	lost_with_reset(_metadata, self, resets);
}

KFD_TEST(lost_fence_of_resume)
{
	long long resets;

	if (kfd_no_hws())
		SKIP(return, "no firmware");
	create(_metadata, self, 0, 7);
	create(_metadata, self, 1, 7);
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[0], SAVE, 0));
	resets = kfd_mock_stat("gpu_resets");
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", 300));
	ASSERT_EQ(0, kfd_set_module_param("mock_lost_fence", 1));
	ASSERT_EQ(-ETIME, kfd_queue_resume(&self->q[0]));
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", FENCE_MS));
	EXPECT_EQ(PREEMPTED, query(&self->kfd, &self->q[0]).queue_state);
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_IOCTL, query(&self->kfd, &self->q[0]).queue_holder);
	lost_with_reset(_metadata, self, resets);
}

KFD_TEST(hws_hang)
{
	long long resets, hangs;
	char id[16];
	int fd;

	if (kfd_no_hws())
		SKIP(return, "no firmware");
	fd = open("/sys/kernel/debug/kfd/hang_hws", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no hang_hws in debugfs");
	create(_metadata, self, 0, 7);
	create(_metadata, self, 1, 7);
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	ASSERT_EQ(0, kfd_queue_preempt(&self->q[1], SAVE, 0));
	resets = kfd_mock_stat("gpu_resets");
	hangs = kfd_mock_stat("fw_hangs");
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", 300));
	snprintf(id, sizeof(id), "%u", self->kfd.gpu.id);
	EXPECT_LT(0, write(fd, id, strlen(id)));
	close(fd);
	EXPECT_EQ(hangs + 1, kfd_mock_stat("fw_hangs"));
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", FENCE_MS));
	lost_with_reset(_metadata, self, resets);
}

struct hammer {
	struct kfd_queue *q;
	struct shared *s;
	int bad;
};

static void *hammer(void *data)
{
	struct hammer *h = data;
	int r;

	while (!__atomic_load_n(&h->s->stop, __ATOMIC_ACQUIRE)) {
		r = kfd_queue_preempt(h->q, SAVE, 0);
		if (r && r != -EIO)
			h->bad = r;
		r = kfd_queue_resume(h->q);
		if (r && r != -EIO)
			h->bad = r;
	}
	return NULL;
}

static void hammer_child(struct shared *s)
{
	struct hammer h[2] = {};
	struct kfd_queue q[3];
	struct kfd_job job;
	pthread_t thread[2];
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	CHILD_CHECK(!kfd_job_init(&kfd, &job, GFX942_WAIT, 100, 1));
	for (i = 0; i < 3; i++) {
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], NULL));
		kfd_job_submit(&job, &q[i]);
	}
	CHILD_CHECK(!kfd_queue_preempt(&q[2], SAVE, 0));
	for (i = 0; i < 2; i++) {
		h[i].q = &q[i];
		h[i].s = s;
		CHILD_CHECK(!pthread_create(&thread[i], NULL, hammer, &h[i]));
	}
	set_step(s, 1);
	for (i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		CHILD_CHECK(!h[i].bad);
	}
	/* KFD keeps it evicted until it dies */
	kfd_job_release(&job);
	usleep(10000);
	CHILD_CHECK(!kfd_job_sum(&job));
}

/* At any moment of a preemption or a resume */
KFD_TEST(reset_hammer)
{
	struct shared *s = shared_page();
	pid_t pid;
	int i;

	ASSERT_NE(NULL, s);
	for (i = 0; i < 6; i++) {
		set_step(s, 0);
		s->stop = 0;
		pid = start_child(&self->kfd, hammer_child, s);
		ASSERT_LT(0, pid);
		ASSERT_TRUE(wait_step(s, 1));
		usleep(rand() % 20000);
		EXPECT_EQ(0, kfd_mock_write("reset", "1"));
		usleep(rand() % 5000);
		if (i & 1) {
			EXPECT_TRUE(kill_child(pid));
		} else {
			__atomic_store_n(&s->stop, 1, __ATOMIC_RELEASE);
			EXPECT_TRUE(end_child(pid));
		}
		EXPECT_TRUE(works(&self->kfd));
	}
}

/* Two queues that need the monitor */
static void inversion_child(struct shared *s)
{
	struct kfd_queue_opts opts = { .has_priority = true };
	struct kfd_queue q[2];
	struct kfd_job job[2];
	struct kfd kfd;
	int i;

	CHILD_CHECK(!kfd_open(&kfd));
	for (i = 0; i < 2; i++) {
		opts.priority = i ? 12 : 3;
		CHILD_CHECK(!kfd_queue_create(&kfd, &q[i], &opts));
		CHILD_CHECK(!kfd_job_init(&kfd, &job[i], GFX942_WAIT, 100, 1));
		kfd_job_submit(&job[i], &q[i]);
		CHILD_CHECK(!wait_launched(&q[i], 1));
	}
	CHILD_CHECK(wait_state(&q[0], PREEMPTED));
	set_step(s, 1);
	if (s->stop)
		pause();
	for (i = 1; i >= 0; i--) {
		kfd_job_release(&job[i]);
		CHILD_CHECK(!kfd_job_wait(&job[i], KFD_TIMEOUT_MS));
		CHILD_CHECK(!kfd_job_wrong(&job[i], 1));
	}
}

static bool monitor_works(struct kfd *kfd)
{
	struct shared *s = shared_page();
	pid_t pid;

	if (!s)
		return false;
	pid = start_child(kfd, inversion_child, s);
	return pid > 0 && end_child(pid);
}

/* What the monitor holds is lost with the rest, and the monitor goes on */
KFD_TEST(reset_held_by_monitor)
{
	struct shared *s = shared_page();
	int i, log = open_log();
	__u64 on;
	pid_t pid;

	ASSERT_NE(NULL, s);
	ASSERT_LE(0, log);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	s->stop = 1;
	for (i = 0; i < 3; i++) {
		set_step(s, 0);
		pid = start_child(&self->kfd, inversion_child, s);
		ASSERT_LT(0, pid);
		EXPECT_TRUE(wait_step(s, 1));
		EXPECT_EQ(0, kfd_mock_write("reset", "1"));
		usleep(i * 10000);
		EXPECT_TRUE(monitor_works(&self->kfd));
		EXPECT_TRUE(kill_child(pid));
		EXPECT_TRUE(monitor_works(&self->kfd));
	}
	ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, ENABLE, &on));
	EXPECT_EQ(1, on);
	EXPECT_EQ(0, count_log(log, "GPREEMPT:"));
	close(log);
}

/* It is off, does nothing, says nothing more, and works when switched on again */
static void expect_off(struct __test_metadata *_metadata, struct _test_data_kfd *self, int log)
{
	struct kfd_ioctl_gpreempt_args before, after;
	__u64 on;

	before = query(&self->kfd, NULL);
	create(_metadata, self, 20, 3);
	create(_metadata, self, 21, 12);
	launch(_metadata, self, 20);
	launch(_metadata, self, 21);
	usleep(100000);
	ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, ENABLE, &on));
	EXPECT_EQ(0, on);
	after = query(&self->kfd, NULL);
	EXPECT_EQ(before.ticks, after.ticks);
	EXPECT_EQ(before.preemptions, after.preemptions);
	EXPECT_EQ(0, count_log(log, "GPREEMPT:"));

	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	EXPECT_TRUE(wait_state(&self->q[20], PREEMPTED));
	finish(_metadata, self, 21);
	EXPECT_TRUE(wait_state(&self->q[20], ACTIVE));
	finish(_metadata, self, 20);
	EXPECT_EQ(0, count_log(log, "GPREEMPT:"));
	close(log);
}

/* A victim does not answer: the monitor lets go of the others, and gives up */
KFD_TEST(monitor_deaf_queue)
{
	struct kfd_ioctl_gpreempt_args args;
	int log = open_log();
	long long resets;
	__u32 i;

	ASSERT_LE(0, log);
	for (i = 0; i < 4; i++) {
		create(_metadata, self, i, i < 3 ? i + 1 : 12);
		if (i < 3)
			launch(_metadata, self, i);
	}
	ASSERT_EQ(0, make_deaf(2));
	resets = kfd_mock_stat("gpu_resets");
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	launch(_metadata, self, 3);
	ASSERT_TRUE(wait_off(&self->kfd));
	/* Before that it has let go */
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	ASSERT_TRUE(wait_state(&self->q[2], ACTIVE));
	EXPECT_EQ(1, count_log(log, "GPREEMPT: a compute queue on node"));
	EXPECT_EQ(resets, kfd_mock_stat("gpu_resets"));
	args = query(&self->kfd, &self->q[1]);
	EXPECT_EQ(ACTIVE, args.queue_state);
	EXPECT_EQ(KFD_IOC_GPREEMPT_HOLDER_NONE, args.queue_holder);
	EXPECT_EQ(0, args.queue_preemptions);
	no_faults();
	finish(_metadata, self, 3);
	finish(_metadata, self, 0);
	finish(_metadata, self, 2);
	if (kfd_no_hws())
		finish(_metadata, self, 1);
	expect_off(_metadata, self, log);
}

/* One that is not a victim, and is reset by the way, is its owner's problem */
KFD_TEST(monitor_deaf_bystander)
{
	int log = open_log();
	__u64 on;

	if (kfd_no_hws())
		SKIP(return, "queues are taken off one by one");
	ASSERT_LE(0, log);
	create(_metadata, self, 0, 3);
	create(_metadata, self, 1, 12);
	create(_metadata, self, 2, 13);
	launch(_metadata, self, 0);
	launch(_metadata, self, 1);
	ASSERT_EQ(0, make_deaf(12));
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	no_faults();
	/* The queue that was reset has no work any more */
	ASSERT_TRUE(wait_state(&self->q[0], ACTIVE));
	ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, ENABLE, &on));
	EXPECT_EQ(1, on);
	EXPECT_EQ(0, count_log(log, "GPREEMPT:"));
	close(log);
	/* Its process has other queues, which are preempted as ever */
	launch(_metadata, self, 2);
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	finish(_metadata, self, 2);
	finish(_metadata, self, 0);
}

/*
 * The firmware does not answer the monitor. It gives up without another try,
 * which would wait as long again and keep the reset waiting.
 */
KFD_TEST(monitor_lost_fence)
{
	long long resets, lost;
	int log = open_log();

	if (kfd_no_hws())
		SKIP(return, "no firmware");
	ASSERT_LE(0, log);
	create(_metadata, self, 0, 2);
	create(_metadata, self, 1, 3);
	create(_metadata, self, 2, 12);
	launch(_metadata, self, 0);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	launch(_metadata, self, 1);
	/* One is held when it happens */
	ASSERT_TRUE(wait_state(&self->q[0], PREEMPTED));
	resets = kfd_mock_stat("gpu_resets");
	lost = kfd_mock_stat("fences_lost");
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", 300));
	ASSERT_EQ(0, kfd_set_module_param("mock_lost_fence", 2));
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[2], GFX942_WAIT, 100, 1));
	kfd_job_submit(&self->job[2], &self->q[2]);
	ASSERT_TRUE(wait_off(&self->kfd));
	ASSERT_TRUE(wait_stat("gpu_resets", resets + 1));
	EXPECT_EQ(lost + 1, kfd_mock_stat("fences_lost"));
	no_faults();
	ASSERT_EQ(0, kfd_set_module_param("queue_preemption_timeout_ms", FENCE_MS));
	EXPECT_TRUE(works(&self->kfd));
	EXPECT_EQ(1, count_log(log, "GPREEMPT: the scheduler firmware on node"));
	EXPECT_NE(KFD_IOC_GPREEMPT_HOLDER_MONITOR, query(&self->kfd, &self->q[0]).queue_holder);
	lost_with_reset(_metadata, self, resets);
	EXPECT_EQ(0, count_log(log, "GPREEMPT:"));
	close(log);
	ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, ENABLE, 1));
	EXPECT_TRUE(monitor_works(&self->kfd));
}

TEST_HARNESS_MAIN
