// SPDX-License-Identifier: GPL-2.0
/*
 * What the monitor and the mechanism cost, as lines `key number`:
 *
 *	bench tick idle|busy|held PROCESSES QUEUES
 *	bench switch ioctl|ahead|started VICTIMS
 *	bench silence SECONDS
 *	bench detect REQUESTS
 *
 * Times are of the kernel's clock, which on -icount is a number of instructions.
 */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"

#define MODULE		"/sys/module/amdgpu/parameters/"
#define STATS		"/sys/kernel/debug/kfd/gpreempt/*/stats"

#define LOW		DEMO_TRAINING_PRIORITY
#define HIGH		DEMO_INFERENCE_PRIORITY
#define INTERVAL_US	5000		/* the monitor's default */
#define RING		4096		/* bytes */
#define LOOPS(us)	((us) * 1000ull / GFX942_LOOP_NS)
#define FOR_EVER	LOOPS(3600 * 1000000ull)
#define TICKS		64		/* to be averaged: four times RECHECK_LOOKS */
#define WAVES		8		/* of a victim on each XCC */

static struct kfd kfd;

static void check(int r, const char *what)
{
	if (r)
		demo_die(r, what);
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void write_number(const char *path, unsigned int number)
{
	FILE *f = fopen(path, "w");

	if (!f || fprintf(f, "%u", number) < 0 || fclose(f))
		demo_die(errno, path);
}

/* The number behind a word of a file of such lines */
static __u64 read_number(const char *path, const char *name)
{
	size_t len = strlen(name);
	FILE *f = fopen(path, "r");
	char line[256];
	__u64 n = -1ull;

	if (!f)
		demo_die(errno, path);
	while (n == -1ull && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) && strchr(" \t:", line[len]))
			n = strtoull(line + len + strspn(line + len, " \t:"), NULL, 0);
	fclose(f);
	if (n == -1ull)
		demo_die(ENOENT, name);
	return n;
}

struct ticks {
	__u64 ns;
	__u64 n;
	__u64 wakeups;
};

static const char *stats_path(void)
{
	static glob_t found;

	if (!found.gl_pathc && glob(STATS, 0, NULL, &found))
		demo_die(ENOENT, STATS);
	return found.gl_pathv[0];
}

static struct ticks read_ticks(void)
{
	return (struct ticks){
		.ns = read_number(stats_path(), "tick_ns"),
		.n = read_number(stats_path(), "ticks"),
		.wakeups = read_number(stats_path(), "wakeups"),
	};
}

static struct kfd_ioctl_gpreempt_args query(void)
{
	struct kfd_ioctl_gpreempt_args args;

	check(kfd_gpreempt_query(&kfd, NULL, &args), "AMDKFD_IOC_GPREEMPT");
	return args;
}

static void set(__u32 param, __u64 value)
{
	check(kfd_gpreempt_set(&kfd, param, value), "setting a parameter");
}

static void create(struct kfd *p, struct kfd_queue *q, __u32 priority)
{
	struct kfd_queue_opts opts = {
		.ring_size = RING,
		.priority = priority,
		.has_priority = true,
		.cwsr = KFD_CWSR_VRAM,
	};

	check(kfd_queue_create(p, q, &opts), "creating a queue");
}

static void prepare(struct kfd *p, struct kfd_job *job, __u32 workgroups, __u64 loops)
{
	check(kfd_job_init(p, job, GFX942_COUNT, workgroups, loops), "preparing a dispatch");
}

static void submit(struct kfd_job *job, struct kfd_queue *q)
{
	check(kfd_job_submit(job, q), "dispatching");
}

/* Until so many queues were preempted and resumed, ever */
static void wait_for(__u64 preemptions, __u64 resumes)
{
	struct kfd_ioctl_gpreempt_args a;
	__u64 end = now_ns() + 100000000000ull;

	do {
		usleep(500);
		a = query();
		if (now_ns() > end)
			demo_die(ETIME, "waiting for the monitor");
	} while (a.preemptions < preemptions || a.resumes < resumes);
}

/* A process with queues, which have work or not, until it is killed */
static pid_t start_process(unsigned int queues, bool work)
{
	static struct kfd child;
	struct kfd_queue *q;
	struct kfd_job job;
	unsigned int i;
	int ready[2];
	pid_t pid;
	char c;

	check(pipe(ready) ? errno : 0, "pipe");
	pid = fork();
	if (pid < 0)
		demo_die(errno, "fork");
	if (pid) {
		close(ready[1]);
		if (read(ready[0], &c, 1) != 1)
			demo_die(EPIPE, "queues");
		close(ready[0]);
		return pid;
	}

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	q = calloc(queues, sizeof(*q));
	if (!q)
		demo_die(ENOMEM, "queues");
	check(kfd_open(&child), "/dev/kfd");
	prepare(&child, &job, 1, FOR_EVER);
	for (i = 0; i < queues; i++) {
		create(&child, &q[i], LOW);
		if (work)
			check(kfd_job_submit_n(&job, &q[i], 2), "dispatching");
	}
	if (write(ready[1], "", 1) != 1)
		exit(1);
	for (;;)
		pause();
}

/*
 * idle: no queue has work. busy: all low ones have, the high one has not. held: all have, and
 * the low ones are preempted.
 */
static void bench_tick(const char *what, unsigned int processes, unsigned int queues)
{
	bool work = strcmp(what, "idle"), held = !strcmp(what, "held");
	struct ticks before, after;
	struct kfd_queue high;
	struct kfd_job job;
	long long reads;
	unsigned int i;
	pid_t pid[64];

	/* The scheduler's rotation and polls of the mock are not the monitor's cost */
	write_number(MODULE "mock_quantum_us", 1000000);
	set(KFD_IOC_GPREEMPT_PARAM_STARVATION_MS, 3600000);
	create(&kfd, &high, HIGH);
	prepare(&kfd, &job, 1, FOR_EVER);
	for (i = 0; i < processes; i++)
		pid[i] = start_process(queues / processes + (i < queues % processes), work);
	set(KFD_IOC_GPREEMPT_PARAM_ENABLE, 1);
	if (held) {
		submit(&job, &high);
		wait_for(queues, 0);
	}
	usleep(100000);		/* they become quiet */
	write_number(MODULE "mock_poll_us", 100000);
	write_number(MODULE "mock_idle_poll_us", 100000);
	usleep(100000);

	reads = kfd_mock_stat("register_reads");
	before = read_ticks();
	usleep(TICKS * INTERVAL_US);
	after = read_ticks();
	reads = kfd_mock_stat("register_reads") - reads;
	if (after.n == before.n)
		demo_die(ENODATA, "ticks");

	printf("tick %s %u %u ns %llu\n", what, processes, queues,
	       (after.ns - before.ns) / (after.n - before.n));
	printf("tick %s %u %u register_reads %llu\n", what, processes, queues,
	       reads / (after.n - before.n));
	write_number(MODULE "mock_poll_us", 50);
	write_number(MODULE "mock_idle_poll_us", 200);
	set(KFD_IOC_GPREEMPT_PARAM_ENABLE, 0);
	for (i = 0; i < processes; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
}

static const char * const counters[] = {
	"hiq_packets", "hiq_query_status", "register_reads", "register_writes",
};

#define COUNTERS	(sizeof(counters) / sizeof(*counters))

static void read_counters(long long *c)
{
	unsigned int i;

	for (i = 0; i < COUNTERS; i++)
		c[i] = kfd_mock_stat(counters[i]);
}

static void print_switch(const char *who, const char *what, unsigned int n, __u64 ns,
			 const long long *before)
{
	long long after[COUNTERS];
	unsigned int i;

	read_counters(after);
	printf("switch %s %s %u ns %llu\n", who, what, n, ns);
	for (i = 0; i < COUNTERS; i++)
		printf("switch %s %s %u %s %lld\n", who, what, n, counters[i],
		       after[i] - before[i]);
}

/* The longest tick until so many queues were preempted and resumed, ever */
static __u64 longest_tick(struct ticks *last, __u64 preemptions, __u64 resumes)
{
	struct kfd_ioctl_gpreempt_args a;
	struct ticks t;
	__u64 ns = 0;
	bool done;

	do {
		a = query();
		done = a.preemptions >= preemptions && a.resumes >= resumes;
		/* Far less than an interval: one tick at most has ended */
		usleep(500);
		t = read_ticks();
		if (t.ns - last->ns > ns)
			ns = t.ns - last->ns;
		*last = t;
	} while (!done);
	return ns;
}

static void switch_by_ioctl(struct kfd_queue *low, unsigned int n)
{
	long long c[COUNTERS];
	unsigned int i;
	__u64 start;

	read_counters(c);
	start = now_ns();
	for (i = 0; i < n; i++)
		check(kfd_queue_preempt(&low[i], KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0), "preempting");
	print_switch("ioctl", "preempt", n, now_ns() - start, c);
	usleep(20000);
	read_counters(c);
	start = now_ns();
	for (i = 0; i < n; i++)
		check(kfd_queue_resume(&low[i]), "resuming");
	print_switch("ioctl", "resume", n, now_ns() - start, c);
}

static void switch_by_monitor(const char *who, struct kfd_queue *high, struct kfd_job *work,
			      unsigned int n)
{
	struct kfd_ioctl_gpreempt_args a = query();
	struct ticks last = read_ticks();
	__u64 inversions = a.inversions, ns;
	long long c[COUNTERS];

	read_counters(c);
	submit(work, high);
	ns = longest_tick(&last, a.preemptions + n, 0);
	print_switch(who, "preempt", n, ns, c);
	read_counters(c);
	ns = longest_tick(&last, 0, a.resumes + n);
	print_switch(who, "resume", n, ns, c);
	printf("switch %s preempt %u inversions %llu\n", who, n, query().inversions - inversions);
}

/*
 * ioctl: by the program, one by one. The others by the monitor, whose victims have packets in
 * their rings (ahead), or nothing but waves (started): what the scheduler has taken off the
 * hardware because there are more queues than HQDs shows no waves.
 */
static void bench_switch(const char *what, unsigned int n)
{
	struct kfd_queue *low = calloc(n, sizeof(*low)), high;
	struct kfd_job *job = calloc(n, sizeof(*job)), work;
	bool ahead = strcmp(what, "started");
	unsigned int i;

	if (!low || !job)
		demo_die(ENOMEM, "queues");
	if (kfd_no_hws() && n + 1 > kfd.gpu.queue_slots) {
		fprintf(stderr, "%u queues do not fit without HWS\n", n);
		return;
	}
	/* No rotation of queues that do not fit */
	write_number(MODULE "mock_quantum_us", 10000000);
	create(&kfd, &high, HIGH);
	prepare(&kfd, &work, 1, LOOPS(200000));
	for (i = 0; i < n; i++) {
		create(&kfd, &low[i], LOW);
		prepare(&kfd, &job[i], WAVES * kfd.gpu.xccs, FOR_EVER);
		check(kfd_job_submit_n(&job[i], &low[i], ahead ? 2 : 1), "dispatching");
	}
	usleep(50000);

	if (!strcmp(what, "ioctl")) {
		switch_by_ioctl(low, n);
		return;
	}
	set(KFD_IOC_GPREEMPT_PARAM_ENABLE, 1);
	usleep(100000);
	switch_by_monitor(what, &high, &work, n);
}

/* The monitor's thread; without one, there is nothing that could wake up */
static const char *thread_status(void)
{
	static char path[300];
	char comm[32];
	struct dirent *e;
	DIR *d = opendir("/proc");
	FILE *f;

	while (d && !path[0] && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = fopen(path, "r");
		path[0] = 0;
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strncmp(comm, "gpreempt/", 9))
			snprintf(path, sizeof(path), "/proc/%s/status", e->d_name);
		fclose(f);
	}
	if (d)
		closedir(d);
	if (!path[0])
		demo_die(ESRCH, "the monitor's thread");
	return path;
}

static void print_silence(const char *what, unsigned int seconds)
{
	struct ticks before, after;
	__u64 switches;

	sleep(1);
	before = read_ticks();
	switches = read_number(thread_status(), "voluntary_ctxt_switches") +
		   read_number(thread_status(), "nonvoluntary_ctxt_switches");
	sleep(seconds);
	after = read_ticks();
	switches = read_number(thread_status(), "voluntary_ctxt_switches") +
		   read_number(thread_status(), "nonvoluntary_ctxt_switches") - switches;
	printf("silence %s seconds %u\n", what, seconds);
	printf("silence %s ticks %llu\n", what, after.n - before.n);
	printf("silence %s wakeups %llu\n", what, after.wakeups - before.wakeups);
	printf("silence %s context_switches %llu\n", what, switches);
}

static void bench_silence(unsigned int seconds)
{
	struct kfd_queue q[4];
	struct kfd_job job;
	unsigned int i;

	set(KFD_IOC_GPREEMPT_PARAM_ENABLE, 1);
	prepare(&kfd, &job, 1, FOR_EVER);
	for (i = 0; i < 3; i++)
		create(&kfd, &q[i], LOW);
	submit(&job, &q[0]);
	print_silence("one_level", seconds);
	create(&kfd, &q[3], HIGH);
	print_silence("two_levels", seconds);
}

static void bench_detect(unsigned int requests)
{
	__u64 start, off, end, before, after;
	struct kfd_ioctl_gpreempt_args a;
	struct kfd_queue low, high;
	struct kfd_job fill, job;
	unsigned int i;

	create(&kfd, &low, LOW);
	create(&kfd, &high, HIGH);
	prepare(&kfd, &fill, kfd.gpu.wave_slots, FOR_EVER);
	prepare(&kfd, &job, 1, LOOPS(100));
	submit(&fill, &low);
	usleep(50000);

	set(KFD_IOC_GPREEMPT_PARAM_ENABLE, 1);
	for (i = 0; i < requests; i++) {
		usleep(20000 + demo_random() * 2 * INTERVAL_US);
		a = query();
		before = now_ns();
		submit(&job, &high);
		start = now_ns();
		do {
			usleep(50);
		} while (query().preemptions == a.preemptions);
		off = now_ns();
		while (!kfd_job_done(&job))
			usleep(50);
		end = now_ns();
		printf("detect submit_ns %llu\n", start - before);
		printf("detect monitor_off_us %llu\n", (off - start) / 1000);
		printf("detect monitor_done_us %llu\n", (end - start) / 1000);
		wait_for(0, a.resumes + 1);
	}

	set(KFD_IOC_GPREEMPT_PARAM_ENABLE, 0);
	for (i = 0; i < requests; i++) {
		usleep(5000 + demo_random() * INTERVAL_US);
		start = now_ns();
		submit(&job, &high);
		check(kfd_queue_preempt(&low, KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0), "preempting");
		off = now_ns();
		while (!kfd_job_done(&job))
			usleep(50);
		end = now_ns();
		printf("detect ioctl_off_us %llu\n", (off - start) / 1000);
		printf("detect ioctl_done_us %llu\n", (end - start) / 1000);
		before = now_ns();
		check(kfd_queue_resume(&low), "resuming");
		after = now_ns();
		printf("detect ioctl_resume_us %llu\n", (after - before) / 1000);
	}

	/* Without anything in the way */
	check(kfd_queue_preempt(&low, KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0), "preempting");
	for (i = 0; i < requests; i++) {
		usleep(5000);
		start = now_ns();
		submit(&job, &high);
		while (!kfd_job_done(&job))
			usleep(50);
		printf("detect alone_done_us %llu\n", (now_ns() - start) / 1000);
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Sleeps end in time */
	prctl(PR_SET_TIMERSLACK, 1);
	check(kfd_open(&kfd), "/dev/kfd");
	if (argc == 5 && !strcmp(argv[1], "tick"))
		bench_tick(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (argc == 4 && !strcmp(argv[1], "switch"))
		bench_switch(argv[2], atoi(argv[3]));
	else if (argc == 3 && !strcmp(argv[1], "silence"))
		bench_silence(atoi(argv[2]));
	else if (argc == 3 && !strcmp(argv[1], "detect"))
		bench_detect(atoi(argv[2]));
	else
		demo_die(EINVAL, "bench");
	return 0;
}
