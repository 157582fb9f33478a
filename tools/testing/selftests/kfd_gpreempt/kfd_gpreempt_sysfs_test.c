// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of GPREEMPT in sysfs: gpreempt/<node>/ under the PCI device shows what
 * the ioctl shows, and refuses what the ioctl refuses.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#define KFD_OWN_FIXTURE
#include "kfd_test.h"

#define ENABLE		KFD_IOC_GPREEMPT_PARAM_ENABLE

#define MAX_NODES	8
#define SYSFS_TEST(name) TEST_F_TIMEOUT(sysfs, name, TEST_SECONDS)

/* Of those with text, the numbers are what the ioctl says */
static const struct {
	const char *file;
	__u64 min, max;
	bool text;
} params[] = {
	[KFD_IOC_GPREEMPT_PARAM_ENABLE]		= { "enable", 0, 1 },
	[KFD_IOC_GPREEMPT_PARAM_INTERVAL_US]	= { "interval_us", 100, 1000000 },
	[KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US]	= { "holdoff_us", 0, 10000000 },
	[KFD_IOC_GPREEMPT_PARAM_STARVATION_MS]	= { "starvation_ms", 10, 3600000 },
	[KFD_IOC_GPREEMPT_PARAM_SLICE_US]	= { "slice_us", 100, 1000000 },
	[KFD_IOC_GPREEMPT_PARAM_POLICY]		= { "policy", 0, 1, .text = true },
	[KFD_IOC_GPREEMPT_PARAM_AGING_MS]	= { "aging_ms", 1, 3600000 },
	[KFD_IOC_GPREEMPT_PARAM_TURN_US]	= { "turn_us", 100, 1000000 },
	[KFD_IOC_GPREEMPT_PARAM_RANK]		= { "rank", 0, 1 },
};

#define NUM_PARAMS	ARRAY_SIZE(params)

static const char * const counters[] = { "preemptions", "resumes", "ticks", "inversions" };

#define NUM_COUNTERS	ARRAY_SIZE(counters)

FIXTURE(sysfs)
{
	int n;
	struct kfd kfd[MAX_NODES];
	char dir[MAX_NODES][80];
	__u64 param[MAX_NODES][NUM_PARAMS];
	long long violations;
	bool saved;
};

FIXTURE_SETUP(sysfs)
{
	__u32 i;
	int k, r;

	self->violations = kfd_mock_violations();
	ASSERT_TRUE(dead_have_left());
	for (k = 0; k < MAX_NODES; k++) {
		struct kfd *kfd = &self->kfd[k];

		r = kfd_open_nth(kfd, k);
		if (r == -ENODEV || r == -EACCES)
			break;
		ASSERT_EQ(0, r);
		if (!kfd_has_gpreempt(kfd))
			SKIP(return, "no CONFIG_HSA_AMD_GPREEMPT");
		snprintf(self->dir[k], sizeof(self->dir[k]),
			 "/sys/bus/pci/devices/%04x:%02x:%02x.0/gpreempt/%u",
			 kfd->gpu.domain, kfd->gpu.location >> 8 & 0xff,
			 kfd->gpu.location >> 3 & 0x1f, kfd->gpu.location & 7);
		for (i = 0; i < NUM_PARAMS; i++)
			ASSERT_EQ(0, kfd_gpreempt_get(kfd, i, &self->param[k][i]));
	}
	self->n = k;
	if (!k)
		SKIP(return, "no gfx94x GPU");
	self->saved = true;
}

FIXTURE_TEARDOWN(sysfs)
{
	__u32 i;
	int k;

	for (k = 0; self->saved && !geteuid() && k < self->n; k++)
		for (i = 0; i < NUM_PARAMS; i++)
			EXPECT_EQ(0, kfd_gpreempt_set(&self->kfd[k], i, self->param[k][i]));
	EXPECT_EQ(self->violations, kfd_mock_violations());
}

static int open_file(const char *dir, const char *file, int flags)
{
	char path[120];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int get_text(const char *dir, const char *file, char *text, size_t size)
{
	int fd = open_file(dir, file, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = read(fd, text, size - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return len;
	text[len] = 0;
	return 0;
}

static int put_text(const char *dir, const char *file, const char *text)
{
	int fd = open_file(dir, file, O_WRONLY);
	int r = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		r = -errno;
	close(fd);
	return r;
}

static int put_number(const char *dir, const char *file, __u64 value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)value);
	return put_text(dir, file, text);
}

/* One number and a newline, or -1 */
static long long get_number(const char *dir, const char *file)
{
	char text[64], *end;
	long long value;

	if (get_text(dir, file, text, sizeof(text)))
		return -1;
	value = strtoll(text, &end, 10);
	return end == text || strcmp(end, "\n") ? -1 : value;
}

static __u64 by_ioctl(struct kfd *kfd, __u32 param)
{
	__u64 value;

	return kfd_gpreempt_get(kfd, param, &value) ? ~0ull : value;
}

SYSFS_TEST(readable)
{
	const char *dir = self->dir[0];
	struct kfd_ioctl_gpreempt_args args;
	struct stat st;
	char path[120];
	__u32 i;

	for (i = 0; i < NUM_PARAMS; i++) {
		if (!params[i].text)
			EXPECT_EQ(by_ioctl(&self->kfd[0], i), get_number(dir, params[i].file))
				TH_LOG("%s", params[i].file);
		snprintf(path, sizeof(path), "%s/%s", dir, params[i].file);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(0644, st.st_mode & 07777);
		EXPECT_EQ(0, st.st_uid);
	}
	ASSERT_EQ(0, kfd_gpreempt_query(&self->kfd[0], NULL, &args));
	EXPECT_EQ(args.preemptions, get_number(dir, "preemptions"));
	EXPECT_EQ(args.resumes, get_number(dir, "resumes"));
	EXPECT_EQ(args.inversions, get_number(dir, "inversions"));
	for (i = 0; i < NUM_COUNTERS; i++) {
		EXPECT_LE(0, get_number(dir, counters[i])) TH_LOG("%s", counters[i]);
		snprintf(path, sizeof(path), "%s/%s", dir, counters[i]);
		ASSERT_EQ(0, stat(path, &st));
		EXPECT_EQ(0444, st.st_mode & 07777);
	}
}

/* No file that the test does not know, in whichever of the tables it belongs */
SYSFS_TEST(complete)
{
	__u32 i, n = 0;
	struct dirent *e;
	bool known;
	DIR *d;

	d = opendir(self->dir[0]);
	ASSERT_NE(NULL, d);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		known = false;
		for (i = 0; i < NUM_PARAMS; i++)
			known |= !strcmp(e->d_name, params[i].file);
		for (i = 0; i < NUM_COUNTERS; i++)
			known |= !strcmp(e->d_name, counters[i]);
		EXPECT_TRUE(known) TH_LOG("%s", e->d_name);
	}
	closedir(d);
	EXPECT_EQ(NUM_PARAMS + NUM_COUNTERS, n);
}

SYSFS_TEST(bounds)
{
	static const char * const junk[] = { "-1", "", "x", "5000 6000", "0x10", "5000us",
					     "18446744073709551616" };
	struct kfd *kfd = &self->kfd[0];
	const char *dir = self->dir[0];
	__u64 before;
	__u32 i, j;

	if (geteuid())
		SKIP(return, "needs root");
	/* Not the switch: what that does is another test's */
	for (i = ENABLE + 1; i < NUM_PARAMS; i++) {
		const char *file = params[i].file;

		if (params[i].text)
			continue;
		EXPECT_EQ(0, put_number(dir, file, params[i].min));
		EXPECT_EQ(params[i].min, by_ioctl(kfd, i));
		EXPECT_EQ(0, put_number(dir, file, params[i].max));
		EXPECT_EQ(params[i].max, by_ioctl(kfd, i));
		EXPECT_EQ(params[i].max, get_number(dir, file));
		EXPECT_EQ(-EINVAL, put_number(dir, file, params[i].max + 1)) TH_LOG("%s", file);
		if (params[i].min)
			EXPECT_EQ(-EINVAL, put_number(dir, file, params[i].min - 1));
		EXPECT_EQ(params[i].max, by_ioctl(kfd, i));
	}
	for (i = 0; i < NUM_PARAMS; i++) {
		before = by_ioctl(kfd, i);
		for (j = 0; j < ARRAY_SIZE(junk); j++) {
			/* An empty write does not reach a file */
			EXPECT_GT(0, put_text(dir, params[i].file, *junk[j] ? junk[j] : "\n"))
				TH_LOG("%s: %s", params[i].file, junk[j]);
			EXPECT_EQ(before, by_ioctl(kfd, i));
		}
	}
	EXPECT_EQ(-EINVAL, put_number(dir, "enable", 2));
	for (i = 0; i < NUM_COUNTERS; i++)
		EXPECT_GT(0, put_number(dir, counters[i], 0));
}

SYSFS_TEST(policy)
{
	struct kfd *kfd = &self->kfd[0];
	const char *dir = self->dir[0];
	char text[64];

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, put_text(dir, "policy", "aged\n"));
	EXPECT_EQ(1, by_ioctl(kfd, KFD_IOC_GPREEMPT_PARAM_POLICY));
	ASSERT_EQ(0, get_text(dir, "policy", text, sizeof(text)));
	EXPECT_STREQ("strict [aged]\n", text);
	ASSERT_EQ(0, put_text(dir, "policy", "strict"));
	EXPECT_EQ(0, by_ioctl(kfd, KFD_IOC_GPREEMPT_PARAM_POLICY));
	ASSERT_EQ(0, get_text(dir, "policy", text, sizeof(text)));
	EXPECT_STREQ("[strict] aged\n", text);
	EXPECT_EQ(-EINVAL, put_text(dir, "policy", "age"));
	EXPECT_EQ(-EINVAL, put_text(dir, "policy", "[aged]"));
	EXPECT_EQ(-EINVAL, put_text(dir, "policy", "1"));
	EXPECT_EQ(0, by_ioctl(kfd, KFD_IOC_GPREEMPT_PARAM_POLICY));
}

/* A thread of the kernel is there while the node is enabled, and never else */
static int monitors(void)
{
	char path[300], comm[32];
	struct dirent *e;
	int n = 0;
	FILE *f;
	DIR *d;

	d = opendir("/proc");
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%.200s/comm", e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		n += fgets(comm, sizeof(comm), f) && !strncmp(comm, "gpreempt/", 9);
		fclose(f);
	}
	if (d)
		closedir(d);
	return n;
}

/* It has ended a moment before it leaves /proc */
static bool wait_monitors(int n)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (monitors() != n) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

SYSFS_TEST(enable)
{
	const char *dir = self->dir[0];
	int before;

	if (geteuid())
		SKIP(return, "needs root");
	if (!kfd_module_param("cwsr_enable", 1)) {
		EXPECT_EQ(-EOPNOTSUPP, put_text(dir, "enable", "1\n"));
		EXPECT_EQ(0, get_number(dir, "enable"));
		return;
	}
	ASSERT_EQ(0, put_text(dir, "enable", "0\n"));
	before = monitors();
	ASSERT_EQ(0, put_text(dir, "enable", "1\n"));
	EXPECT_EQ(before + 1, monitors());
	EXPECT_EQ(1, get_number(dir, "enable"));
	EXPECT_EQ(1, by_ioctl(&self->kfd[0], ENABLE));
	ASSERT_EQ(0, put_text(dir, "enable", "1"));
	EXPECT_EQ(before + 1, monitors());
	ASSERT_EQ(0, put_text(dir, "enable", "0"));
	EXPECT_TRUE(wait_monitors(before));
	EXPECT_EQ(0, get_number(dir, "enable"));
	EXPECT_EQ(0, by_ioctl(&self->kfd[0], ENABLE));
}

/* Waves at two priorities, so that the monitor has something to look at */
struct two {
	struct kfd_queue q[2];
	struct kfd_job job[2];
};

static void start_two(struct __test_metadata *_metadata, struct kfd *kfd, struct two *t)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct kfd_queue_opts opts = { .has_priority = true, .priority = 3 + 9 * i };

		ASSERT_EQ(0, kfd_queue_create(kfd, &t->q[i], &opts));
		ASSERT_EQ(0, kfd_job_init(kfd, &t->job[i], GFX942_WAIT, 16, 1));
		kfd_job_submit(&t->job[i], &t->q[i]);
		ASSERT_EQ(0, wait_launched(&t->q[i], 1));
	}
}

static void finish_two(struct __test_metadata *_metadata, struct two *t)
{
	int i;

	for (i = 1; i >= 0; i--) {
		kfd_job_release(&t->job[i]);
		ASSERT_EQ(0, kfd_job_wait(&t->job[i], KFD_TIMEOUT_MS));
		EXPECT_EQ(0, kfd_job_wrong(&t->job[i], 1));
		EXPECT_EQ(0, kfd_queue_destroy(&t->q[i]));
	}
}

/* Until more ticks were counted than before */
static bool wait_ticks(const char *dir, long long more)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	long long before = get_number(dir, "ticks");

	while (get_number(dir, "ticks") < before + more) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/* What is written counts: a new interval at once, and a preemption happens */
SYSFS_TEST(effect)
{
	const char *dir = self->dir[0];
	long long preemptions, resumes, ticks;
	struct two t;
	__u64 end;

	if (geteuid() || !kfd_module_param("cwsr_enable", 1))
		SKIP(return, "needs root, and waves that can be saved");
	ASSERT_EQ(0, put_number(dir, "starvation_ms", 3600000));
	ASSERT_EQ(0, put_number(dir, "interval_us", 1000000));
	ASSERT_EQ(0, put_number(dir, "enable", 1));
	preemptions = get_number(dir, "preemptions");
	resumes = get_number(dir, "resumes");
	start_two(_metadata, &self->kfd[0], &t);
	/* Some ticks in 200 ms at 2 ms; with the second it would be one */
	ASSERT_EQ(0, put_number(dir, "interval_us", 2000));
	ticks = get_number(dir, "ticks");
	end = kfd_now_us() + 200000;
	EXPECT_TRUE(wait_ticks(dir, 10));
	if (kfd_mock_present() && kfd_now_us() > end)
		TH_LOG("10 ticks of 2 ms took longer than 200 ms");
	EXPECT_LE(ticks + 10, get_number(dir, "ticks"));
	EXPECT_EQ(preemptions + 1, get_number(dir, "preemptions"));
	EXPECT_EQ(resumes, get_number(dir, "resumes"));
	EXPECT_LT(0, get_number(dir, "inversions"));
	ASSERT_EQ(0, put_number(dir, "enable", 0));
	EXPECT_EQ(resumes + 1, get_number(dir, "resumes"));
	/* Off, it does not look */
	ticks = get_number(dir, "ticks");
	usleep(50000);
	EXPECT_EQ(ticks, get_number(dir, "ticks"));
	finish_two(_metadata, &t);
}

SYSFS_TEST(not_root)
{
	const char *dir = self->dir[0];
	pid_t pid;
	__u32 i;

	if (geteuid())
		SKIP(return, "needs root to begin with");
	pid = fork();
	if (!pid) {
		CHILD_CHECK(!setresgid(1002, 1002, 1002));
		CHILD_CHECK(!setresuid(1002, 1002, 1002));
		for (i = 0; i < NUM_PARAMS; i++) {
			CHILD_CHECK(params[i].text || get_number(dir, params[i].file) >= 0);
			CHILD_CHECK(put_number(dir, params[i].file, params[i].max) == -EACCES);
		}
		for (i = 0; i < NUM_COUNTERS; i++)
			CHILD_CHECK(get_number(dir, counters[i]) >= 0);
		_exit(0);
	}
	ASSERT_LT(0, pid);
	EXPECT_TRUE(end_child(pid));
	for (i = 0; i < NUM_PARAMS; i++)
		EXPECT_EQ(self->param[0][i], by_ioctl(&self->kfd[0], i));
}

/* What is set for one node, no other one has */
SYSFS_TEST(nodes)
{
	int k, other;
	__u32 i;

	if (geteuid())
		SKIP(return, "needs root");
	if (self->n < 2)
		SKIP(return, "needs two nodes that are gfx94x");
	for (k = 0; k < self->n; k++)
		for (other = 0; other < k; other++)
			EXPECT_NE(0, strcmp(self->dir[k], self->dir[other]));
	for (i = ENABLE + 1; i < NUM_PARAMS; i++) {
		if (params[i].text)
			continue;
		for (k = 0; k < self->n; k++)
			EXPECT_EQ(0, put_number(self->dir[k], params[i].file,
						params[i].max - k % 2));
		for (k = 0; k < self->n; k++) {
			EXPECT_EQ(params[i].max - k % 2, get_number(self->dir[k], params[i].file));
			EXPECT_EQ(params[i].max - k % 2, by_ioctl(&self->kfd[k], i));
		}
	}
	if (!kfd_module_param("cwsr_enable", 1))
		return;
	for (k = 0; k < self->n; k++)
		ASSERT_EQ(0, put_number(self->dir[k], "enable", 0));
	for (k = 0; k < self->n; k++) {
		ASSERT_EQ(0, put_number(self->dir[k], "enable", 1));
		for (other = 0; other < self->n; other++)
			EXPECT_EQ(other == k, get_number(self->dir[other], "enable"));
		ASSERT_EQ(0, put_number(self->dir[k], "enable", 0));
	}
}

struct hammer {
	const char *dir;
	int stop;
	int fd;
	unsigned int errors;
	unsigned int writes;
};

static void *reader(void *arg)
{
	struct hammer *h = arg;
	char text[32];
	__u32 i;

	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < NUM_PARAMS; i++)
			if (!params[i].text && get_number(h->dir, params[i].file) < 0)
				__atomic_fetch_add(&h->errors, 1, __ATOMIC_RELAXED);
		for (i = 0; i < NUM_COUNTERS; i++)
			if (get_number(h->dir, counters[i]) < 0)
				__atomic_fetch_add(&h->errors, 1, __ATOMIC_RELAXED);
		if (pread(h->fd, text, sizeof(text), 0) <= 0)
			__atomic_fetch_add(&h->errors, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void *writer(void *arg)
{
	struct hammer *h = arg;
	unsigned int n = 0;
	int r;

	while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
		r = n % 4 ? put_number(h->dir, "interval_us", 1000 + 1000 * (n % 7)) :
			    put_number(h->dir, "enable", n / 4 % 2);
		/* The switch is taken by one of them at a time, killable */
		if (r)
			__atomic_fetch_add(&h->errors, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&h->writes, 1, __ATOMIC_RELAXED);
		n++;
	}
	return NULL;
}

/* Readers, and writers that do not agree, while the monitor has work */
SYSFS_TEST(at_once)
{
	struct hammer h = { .dir = self->dir[0] };
	pthread_t thread[4];
	struct two t;
	int i;

	if (geteuid() || !kfd_module_param("cwsr_enable", 1))
		SKIP(return, "needs root, and waves that can be saved");
	h.fd = open_file(h.dir, "interval_us", O_RDONLY);
	ASSERT_LE(0, h.fd);
	start_two(_metadata, &self->kfd[0], &t);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, i < 2 ? writer : reader, &h));
	usleep(500000);
	__atomic_store_n(&h.stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	close(h.fd);
	EXPECT_EQ(0, h.errors);
	EXPECT_LT(8, h.writes);
	ASSERT_EQ(0, put_number(h.dir, "enable", 0));
	finish_two(_metadata, &t);
}

TEST_HARNESS_MAIN
