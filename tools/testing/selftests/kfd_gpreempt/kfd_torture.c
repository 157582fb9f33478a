// SPDX-License-Identifier: GPL-2.0
/*
 * Everything that moves compute queues, at once and at random, for as long as
 * wanted: several processes with several queues each, and several threads on
 * the same queues, preempt and resume them while jobs are in flight, and in
 * between update, destroy and create queues, have them evicted, fork, and are
 * killed. In the end every workgroup must have run exactly once.
 *
 * What a thread does follows from the seed, its process and its number; how
 * threads interleave does not, but for an emulated machine with one CPU and a
 * clock that counts instructions.
 *
 * Errors that are no failure; all others are:
 * PREEMPT, RESUME
 *	-EBUSY		another file holds the queue, or for RESUME the monitor,
 *			or it is being destroyed; never from the file that holds it
 *	-EINVAL		it was destroyed meanwhile
 *	-ESRCH		its process was killed meanwhile
 *	-EIO		the device was suspended meanwhile
 *	-ETIME		of a DRAIN: its waves did not end in time
 *	-EOPNOTSUPP	of a DRAIN with HWS, and then always
 * GET_QUEUE_WAVE_STATE
 *	-EINVAL		the queue is active; never while this thread holds it
 * GPREEMPT
 *	-EINVAL		of a QUERY: the queue was destroyed meanwhile
 *	-ESRCH		of a SET that switches the monitor off, without HWS: a queue
 *			it had preempted cannot come back, its process has died
 * CREATE_QUEUE
 *	any		without HWS, while dead processes still have slots and
 *			VMIDs; tried again for PATIENCE_MS
 * Eviction
 *	-ESRCH		the process was killed meanwhile
 *	-EFAULT		the same, without HWS
 *
 * A suspended device has no running processes, so all but PREEMPT, RESUME and
 * QUERY stops for that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <kselftest.h>
#include "kfd_lib.h"

#define MAX_WORKERS	16
#define MAX_QUEUES	16
#define THREADS		2
#define JOBS		3
#define RING_PACKETS	64	/* of the smaller ring */
#define VICTIM_SIZE	(4 * 4096)

#define PATIENCE_MS	30000
#define PROGRESS_MS	2000
#define STUCK_MS	(KFD_TIMEOUT_MS + 30000)

#define LOOPS_US(us)	((us) * 1000u / GFX942_LOOP_NS)

enum op {
	OP_MOVE, OP_FOREIGN, OP_HOLD, OP_QUERY, OP_SUBMIT, OP_RELEASE,
	OP_PRIORITY, OP_PERCENT, OP_CU_MASK, OP_RING, OP_WAVE_STATE, OP_EVICT,
	OP_USERPTR, OP_RECREATE, OP_CLOSE, OP_SET, OP_FORK, OP_END,
	OPS
};

static const struct {
	const char *name;
	unsigned int weight;
	bool gate;	/* not while the device is suspended */
} ops[OPS] = {
	[OP_MOVE] =	  { "move",	  600, false },
	[OP_FOREIGN] =	  { "foreign",	   60, false },
	[OP_HOLD] =	  { "hold",	   30, false },
	[OP_QUERY] =	  { "query",	   40, false },
	[OP_SUBMIT] =	  { "submit",	  120, true },
	[OP_RELEASE] =	  { "release",	   60, true },
	[OP_PRIORITY] =	  { "priority",	   20, true },
	[OP_PERCENT] =	  { "percent",	   15, true },
	[OP_CU_MASK] =	  { "cu_mask",	   10, true },
	[OP_RING] =	  { "ring",	   10, true },
	[OP_WAVE_STATE] = { "wave_state",  15, true },
	[OP_EVICT] =	  { "evict",	    8, true },
	[OP_USERPTR] =	  { "userptr",	    8, true },
	[OP_RECREATE] =	  { "recreate",	    4, true },
	[OP_CLOSE] =	  { "close",	    5, true },
	[OP_SET] =	  { "set",	    4, true },
	[OP_FORK] =	  { "fork",	    2, true },
	[OP_END] =	  { "end",	    0, false },
};

/* Where a run is; workers follow the controller */
enum phase { RUN, LET_GO, CHECK, EXIT };

/**
 * struct slot - a worker, as the other processes see it
 * @pid: its process
 * @generation: counts its processes; odd while one is killed or not yet ready
 * @phase: how far it is
 * @busy: threads that do what must not meet a suspended device
 * @parked: threads that stand still and hold nothing, and one more if their
 *	process holds nothing either
 * @last: what its threads do, for the case that they do not return
 * @q: its queues; the epoch is odd while there is none, and always grows
 */
struct slot {
	pid_t pid;
	int generation;
	int phase;
	int busy;
	int parked;
	int last[THREADS];
	struct {
		int epoch;
		__u32 id;
	} q[MAX_QUEUES];
};

/* What all processes share */
static struct control {
	long done;	/* PREEMPT and RESUME */
	int phase;
	int gate;
	int parking;	/* 1: threads park, 2: their processes hold nothing */
	int suspends;	/* odd while suspended */
	long failures;
	long count[OPS];
	long tolerated;
	long moved;		/* out of VRAM */
	long left_preempted;
	long unfinished;
	long jobs;
	long workgroups;
	long lost;
	long twice;
	long abandoned;
	struct slot slot[MAX_WORKERS];
} *ctl;

struct options {
	unsigned long seed;
	long n;
	int workers;
	int queues;
	long seconds;
	bool verbose;
};

static struct options opt = { .n = 2000, .workers = 3, .queues = 4 };
static bool mock, no_hws;

#define get(p)		__atomic_load_n(p, __ATOMIC_SEQ_CST)
#define set(p, v)	__atomic_store_n(p, v, __ATOMIC_SEQ_CST)
#define add(p, v)	__atomic_add_fetch(p, v, __ATOMIC_SEQ_CST)

/* A queue of a worker. The jobs outlive it: others' barriers wait for them */
struct wqueue {
	pthread_mutex_t lock;	/* ring, properties, jobs; not to preempt */
	struct kfd_queue q;
	struct kfd_job job[JOBS];
	struct kfd_mem spare;	/* the ring that it does not have */
};

struct worker {
	struct kfd kfd;
	struct slot *slot;
	int nr;
	struct wqueue q[MAX_QUEUES];
	struct kfd_mem victim;
};

/**
 * struct thread - a thread of a worker
 * @w: its process
 * @nr: its number in it
 * @rng: state of its random numbers
 * @fd: /dev/kfd, for this thread alone
 * @held: queues that @fd is known to hold: their epochs, else 0
 * @foreign: somebody else's queue that @fd may hold
 */
struct thread {
	struct worker *w;
	int nr;
	__u64 rng;
	int fd;
	int held[MAX_QUEUES];
	struct {
		bool valid;
		int slot;
		int q;
	} foreign;
};

/* Vigna's splitmix64 */
static __u64 next_random(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static __u64 seed_of(unsigned int worker, unsigned int generation, unsigned int thread)
{
	__u64 state = opt.seed ^ (__u64)worker << 32 ^ (__u64)generation << 40 ^
		      (__u64)thread << 56;

	return next_random(&state);
}

static unsigned int rnd(__u64 *state, unsigned int n)
{
	return next_random(state) % n;
}

static void __printf(1, 2) note(const char *fmt, ...)
{
	char text[400];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(text) - 1)
		n = sizeof(text) - 1;
	/* One write, so that processes do not mix their lines */
	if (write(STDOUT_FILENO, text, n) != n)
		_exit(1);
}

/* Also ends the run: what follows might be its consequence */
#define fail(fmt, ...)							\
	do {								\
		if (add(&ctl->failures, 1) <= 20)			\
			note("# failed after %ld operations, line %d: " fmt "\n", \
			     get(&ctl->done), __LINE__, ##__VA_ARGS__);	\
	} while (0)

static bool running(void)
{
	return get(&ctl->phase) == RUN && get(&ctl->done) < opt.n && !get(&ctl->failures);
}

static void wait_phase(int phase)
{
	while (get(&ctl->phase) < phase)
		usleep(1000);
}

static void enter(struct slot *slot)
{
	for (;;) {
		add(&slot->busy, 1);
		if (!get(&ctl->gate))
			return;
		add(&slot->busy, -1);
		usleep(500);
	}
}

static void leave(struct slot *slot)
{
	add(&slot->busy, -1);
}

/*
 * PREEMPT and RESUME, of any process. What may fail depends on what happened
 * to queue, process and device meanwhile.
 */

enum move { RESUME, PREEMPT, DRAIN };

struct meanwhile {
	bool queue;	/* it was there all the time */
	bool process;
	bool device;
	int epoch;
};

static int do_move(enum move how, int fd, int s, int i, bool by_pid, struct meanwhile *same)
{
	struct slot *slot = &ctl->slot[s];
	struct kfd kfd = { .fd = fd };
	int suspends = get(&ctl->suspends);
	int generation = get(&slot->generation);
	int epoch = get(&slot->q[i].epoch);
	__u32 id = get(&slot->q[i].id);
	__u32 pid = by_pid ? get(&slot->pid) : 0;
	int r;

	if (how == RESUME) {
		struct kfd_ioctl_resume_queue_args args = { .queue_id = id, .pid = pid };

		r = kfd_ioctl(&kfd, AMDKFD_IOC_RESUME_QUEUE, &args);
	} else {
		struct kfd_ioctl_preempt_queue_args args = {
			.queue_id = id,
			.pid = pid,
			.preempt_type = how == DRAIN ? KFD_IOC_PREEMPT_WAVEFRONT_DRAIN :
							KFD_IOC_PREEMPT_WAVEFRONT_SAVE,
			.timeout_ms = how == DRAIN ? 3 : 0,
		};

		r = kfd_ioctl(&kfd, AMDKFD_IOC_PREEMPT_QUEUE, &args);
	}
	same->epoch = epoch;
	same->queue = !(epoch & 1) && epoch == get(&slot->q[i].epoch);
	same->process = !(generation & 1) && generation == get(&slot->generation);
	same->device = !(suspends & 1) && suspends == get(&ctl->suspends);
	if (!same->process)
		same->queue = false;
	if (!r && get(&ctl->phase) == RUN)
		add(&ctl->done, 1);
	if (opt.verbose)
		note("# %d: %s %d.%d: %d\n", getpid(), how == RESUME ? "resume" :
		     how == DRAIN ? "drain" : "preempt", s, i, r);
	return r;
}

static bool may_fail(enum move how, int r, const struct meanwhile *same)
{
	switch (r) {
	case 0:
		return how != DRAIN || no_hws;
	case -EBUSY:
		return true;
	case -EINVAL:
		return !same->queue;
	case -ESRCH:
		return !same->process;
	case -EIO:
		return !same->device;
	case -ETIME:
		return how == DRAIN && no_hws;
	case -EOPNOTSUPP:
		return how == DRAIN && !no_hws;
	}
	return false;
}

static const char *const move_names[] = { "RESUME", "PREEMPT", "PREEMPT (drain)" };

/* Does this thread's file hold the queue, as far as it can know? */
static bool holds(struct thread *t, int i)
{
	return t->held[i] && t->held[i] == get(&t->w->slot->q[i].epoch);
}

static void move_own(struct thread *t, enum move how, int i, bool own_file)
{
	struct worker *w = t->w;
	bool by_pid = !rnd(&t->rng, 4);
	int held = t->held[i];
	struct meanwhile same;
	bool holding;
	int r;

	r = do_move(how, own_file ? t->fd : w->kfd.fd, w->nr, i, by_pid, &same);
	/* Nobody but this thread could let go of what it holds */
	holding = held && same.queue && held == same.epoch;
	if (!may_fail(how, r, &same))
		fail("worker %d: %s of its queue %d: %d", w->nr, move_names[how], i, r);
	else if (r)
		add(&ctl->tolerated, 1);

	if (holding && own_file && r == -EBUSY)
		fail("worker %d: %s of queue %d by the file that holds it: %d", w->nr,
		     move_names[how], i, r);
	if (holding && !own_file && r != -EBUSY && (how != DRAIN || no_hws))
		fail("worker %d: %s of queue %d, which another file holds: %d", w->nr,
		     move_names[how], i, r);
	if (own_file && !r)
		t->held[i] = how == RESUME || !same.queue ? 0 : same.epoch;
}

static void op_move(struct thread *t, int i)
{
	bool own_file = rnd(&t->rng, 4);
	enum move how = rnd(&t->rng, 2);

	/* Mostly what changes something */
	if (own_file && rnd(&t->rng, 8))
		how = holds(t, i) ? RESUME : PREEMPT;
	if (how == PREEMPT && !rnd(&t->rng, 100))
		how = DRAIN;
	move_own(t, how, i, own_file);
}

/* A queue of another worker, which nobody but its pid and id tells */
static void op_foreign(struct thread *t, int i)
{
	int s = rnd(&t->rng, opt.workers);
	enum move how = PREEMPT;
	struct meanwhile same;
	int r;

	if (t->foreign.valid) {
		how = RESUME;
		s = t->foreign.slot;
		i = t->foreign.q;
	}
	if (s == t->w->nr)
		return;
	r = do_move(how, t->fd, s, i, true, &same);
	if (!may_fail(how, r, &same))
		fail("worker %d: %s of queue %d of worker %d: %d", t->w->nr, move_names[how],
		     i, s, r);
	else if (r)
		add(&ctl->tolerated, 1);
	t->foreign.valid = how == PREEMPT && !r;
	t->foreign.slot = s;
	t->foreign.q = i;
}

static long long sum_of(struct wqueue *wq)
{
	long long sum = 0;
	int j;

	for (j = 0; j < JOBS; j++)
		sum += kfd_job_sum(&wq->job[j]);
	return sum;
}

/* A queue that this thread holds stays where it is, whatever others do */
static void op_hold(struct thread *t, int i)
{
	struct kfd_ioctl_gpreempt_args before, after;
	struct wqueue *wq = &t->w->q[i];
	long long sum;
	int r, r2;

	if (!holds(t, i))
		move_own(t, PREEMPT, i, true);
	if (!holds(t, i))
		return;
	sum = sum_of(wq);
	r = kfd_gpreempt_query(&t->w->kfd, &wq->q, &before);
	usleep(rnd(&t->rng, 500));
	r2 = kfd_gpreempt_query(&t->w->kfd, &wq->q, &after);
	sum = sum_of(wq) - sum;
	if (!holds(t, i))
		return;
	if (r || r2 || sum || after.queue_state != KFD_IOC_GPREEMPT_QUEUE_PREEMPTED ||
	    after.queue_holder != KFD_IOC_GPREEMPT_HOLDER_IOCTL ||
	    after.queue_preemptions != before.queue_preemptions)
		fail("worker %d: held queue %d: %d %d, %lld ended, state %u, holder %u, moved %lld",
		     t->w->nr, i, r, r2, sum, after.queue_state, after.queue_holder,
		     after.queue_preemptions - before.queue_preemptions);
}

static void op_query(struct thread *t, int i)
{
	int epoch = get(&t->w->slot->q[i].epoch);
	struct kfd_ioctl_gpreempt_args args;
	bool preempted, held;
	int r;

	r = kfd_gpreempt_query(&t->w->kfd, &t->w->q[i].q, &args);
	if (epoch & 1 || epoch != get(&t->w->slot->q[i].epoch)) {
		if (r && r != -EINVAL)
			fail("worker %d: QUERY: %d", t->w->nr, r);
		return;
	}
	preempted = args.queue_state == KFD_IOC_GPREEMPT_QUEUE_PREEMPTED;
	held = args.queue_holder != KFD_IOC_GPREEMPT_HOLDER_NONE;
	if (r || (!preempted && args.queue_state != KFD_IOC_GPREEMPT_QUEUE_ACTIVE) ||
	    preempted != held || args.preemptions < args.queue_preemptions)
		fail("worker %d: QUERY of queue %d: %d, state %u, holder %u, moved %llu of %llu",
		     t->w->nr, i, r, args.queue_state, args.queue_holder,
		     args.queue_preemptions, args.preemptions);
}

/* The rest has the lock of the queue */

static void op_submit(struct thread *t, int i)
{
	struct wqueue *wq = &t->w->q[i];
	struct kfd_job *job = &wq->job[rnd(&t->rng, JOBS)];
	int n = job->kernel == GFX942_WAIT ? 1 : 1 + rnd(&t->rng, 4);
	struct kfd_signal *dep;

	if (!kfd_job_done(job) ||
	    wq->q.wptr - kfd_queue_rptr(&wq->q) + n + 1 > RING_PACKETS)
		return;
	/* Behind a job of a lower queue, so that no two wait for each other */
	if (i && !rnd(&t->rng, 4)) {
		dep = t->w->q[rnd(&t->rng, i)].job[rnd(&t->rng, JOBS)].signal;
		kfd_queue_barrier(&wq->q, AQL_BARRIER_AND, &dep, 1, NULL);
	}
	if (job->kernel == GFX942_WAIT)
		set(job->flag, 0);
	kfd_job_submit_n(job, &wq->q, n);
	add(&ctl->jobs, n);
}

static void op_release(struct thread *t, int i)
{
	int j;

	for (j = 0; j < JOBS; j++)
		kfd_job_release(&t->w->q[i].job[j]);
}

static void update(struct thread *t, int i, const char *what)
{
	int r = kfd_queue_update(&t->w->q[i].q);

	if (r)
		fail("worker %d: UPDATE_QUEUE of queue %d, %s: %d", t->w->nr, i, what, r);
}

static void op_priority(struct thread *t, int i)
{
	t->w->q[i].q.priority = rnd(&t->rng, 16);
	update(t, i, "priority");
}

static void op_percent(struct thread *t, int i)
{
	struct kfd_queue *q = &t->w->q[i].q;

	q->percent = q->percent ? 0 : 100;
	update(t, i, "percent");
	if (!q->percent && rnd(&t->rng, 2)) {
		q->percent = 100;
		update(t, i, "percent");
	}
}

static void op_cu_mask(struct thread *t, int i)
{
	__u32 mask[32];
	int r;

	memset(mask, rnd(&t->rng, 2) ? 0xff : 0x55, sizeof(mask));
	r = kfd_queue_set_cu_mask(&t->w->q[i].q, mask, 32 * 32);
	if (r)
		fail("worker %d: SET_CU_MASK of queue %d: %d", t->w->nr, i, r);
}

/* Packets may not be read while they are copied */
static void op_ring(struct thread *t, int i)
{
	struct wqueue *wq = &t->w->q[i];
	__u32 percent = wq->q.percent;
	int r;

	if (!holds(t, i)) {
		wq->q.percent = 0;
		update(t, i, "percent");
	}
	r = kfd_queue_set_ring(&wq->q, &wq->spare);
	if (r)
		fail("worker %d: UPDATE_QUEUE of queue %d, ring: %d", t->w->nr, i, r);
	if (wq->q.percent != percent) {
		wq->q.percent = percent;
		update(t, i, "percent");
	}
}

static void op_wave_state(struct thread *t, int i)
{
	bool held = holds(t, i);
	struct kfd_wave_state ws;
	int r;

	r = kfd_queue_wave_state(&t->w->q[i].q, &ws);
	if (r && (r != -EINVAL || held))
		fail("worker %d: GET_QUEUE_WAVE_STATE of %s queue %d: %d", t->w->nr,
		     held ? "the held" : "any", i, r);
}

static void op_evict(struct thread *t, int i)
{
	int s = rnd(&t->rng, 2) ? t->w->nr : (int)rnd(&t->rng, opt.workers);
	struct slot *slot = &ctl->slot[s];
	int generation = get(&slot->generation);
	bool vram = !rnd(&t->rng, 8);
	char text[32];
	int r;

	(void)i;
	if (generation & 1)
		return;
	if (vram)
		snprintf(text, sizeof(text), "%d vram", get(&slot->pid));
	else
		snprintf(text, sizeof(text), "%d %u", get(&slot->pid), rnd(&t->rng, 3));
	r = kfd_mock_write("evict", text);
	if (vram && !r)
		add(&ctl->moved, 1);
	/* It is not back since the last time */
	if (vram && r == -ENOENT)
		return;
	if ((r == -ESRCH || r == -EFAULT) && generation != get(&slot->generation))
		add(&ctl->tolerated, 1);
	else if (r)
		fail("worker %d: eviction of worker %d: %d", t->w->nr, s, r);
}

static void op_userptr(struct thread *t, int i)
{
	(void)i;
	memset(t->w->victim.cpu, 1, VICTIM_SIZE);
	if (madvise(t->w->victim.cpu, VICTIM_SIZE, MADV_DONTNEED))
		fail("worker %d: madvise: %d", t->w->nr, errno);
}

/* Count what ran of the jobs of a queue. The queue is idle, or gone. */
static void count_jobs(struct wqueue *wq, bool gone)
{
	struct kfd_job *job;
	bool all;
	__u32 n, k;
	int j;

	for (j = 0; j < JOBS; j++) {
		job = &wq->job[j];
		all = !gone || kfd_job_done(job);
		for (k = 0; k < job->workgroups; k++) {
			n = kfd_job_count(job, k);
			add(&ctl->workgroups, n);
			if (n > job->submitted)
				add(&ctl->twice, n - job->submitted);
			else if (n < job->submitted)
				add(all ? &ctl->lost : &ctl->abandoned, job->submitted - n);
		}
		memset(job->counters, 0, job->workgroups * sizeof(*job->counters));
		job->submitted = 0;
		set(&job->signal->value, 0);
	}
}

static int create_queue(struct worker *w, int i, __u64 *rng)
{
	struct kfd_queue_opts opts = {
		.ring_size = RING_PACKETS * 64,
		.has_priority = true,
		.priority = rnd(rng, 16),
		.cwsr = KFD_CWSR_VRAM,
	};
	__u64 end = kfd_now_us() + PATIENCE_MS * 1000ull;
	struct wqueue *wq = &w->q[i];
	int r;

	for (;;) {
		r = kfd_queue_create(&w->kfd, &wq->q, &opts);
		if (!r || !no_hws || kfd_now_us() > end)
			break;
		add(&ctl->tolerated, 1);
		usleep(1000);
	}
	if (r) {
		fail("worker %d: CREATE_QUEUE: %d", w->nr, r);
		return r;
	}
	set(&w->slot->q[i].id, wq->q.id);
	add(&w->slot->q[i].epoch, 1);
	return 0;
}

static void op_recreate(struct thread *t, int i)
{
	struct worker *w = t->w;
	struct wqueue *wq = &w->q[i];
	int r;

	add(&w->slot->q[i].epoch, 1);
	r = kfd_queue_destroy(&wq->q);
	if (r) {
		fail("worker %d: DESTROY_QUEUE of queue %d: %d", w->nr, i, r);
		return;
	}
	kfd_queue_free(&wq->q);
	count_jobs(wq, true);
	create_queue(w, i, &t->rng);
}

static int open_file(struct thread *t)
{
	t->fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	if (t->fd < 0)
		fail("worker %d: /dev/kfd: %d", t->w->nr, errno);
	return t->fd;
}

/* All that the file holds is resumed; a forked child may delay that */
static void close_file(struct thread *t)
{
	close(t->fd);
	memset(t->held, 0, sizeof(t->held));
	t->foreign.valid = false;
}

static void op_close(struct thread *t, int i)
{
	(void)i;
	close_file(t);
	open_file(t);
}

static void op_set(struct thread *t, int i)
{
	static const struct {
		unsigned int min, range;
	} params[] = {
		[KFD_IOC_GPREEMPT_PARAM_ENABLE] = { 0, 2 },
		[KFD_IOC_GPREEMPT_PARAM_INTERVAL_US] = { 500, 10000 },
		[KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US] = { 0, 10000 },
		[KFD_IOC_GPREEMPT_PARAM_STARVATION_MS] = { 10, 100 },
		[KFD_IOC_GPREEMPT_PARAM_SLICE_US] = { 100, 10000 },
		[KFD_IOC_GPREEMPT_PARAM_POLICY] = { 0, 2 },
		[KFD_IOC_GPREEMPT_PARAM_AGING_MS] = { 1, 20 },
		[KFD_IOC_GPREEMPT_PARAM_TURN_US] = { 100, 10000 },
		[KFD_IOC_GPREEMPT_PARAM_RANK] = { 0, 2 },
	};
	__u32 param = rnd(&t->rng, 2) ? rnd(&t->rng, ARRAY_SIZE(params)) :
					KFD_IOC_GPREEMPT_PARAM_ENABLE;
	__u64 value = params[param].min + rnd(&t->rng, params[param].range);
	int r;

	(void)i;
	r = kfd_gpreempt_set(&t->w->kfd, param, value);
	if (r == -ESRCH && no_hws && param == KFD_IOC_GPREEMPT_PARAM_ENABLE && !value)
		add(&ctl->tolerated, 1);
	else if (r)
		fail("worker %d: SET of parameter %u to %llu: %d", t->w->nr, param, value, r);
}

/* Memory and files of a process are for a while those of two */
static void op_fork(struct thread *t, int i)
{
	unsigned int us = rnd(&t->rng, 2000);
	pid_t pid = fork();

	(void)i;
	if (!pid) {
		usleep(us);
		_exit(0);
	}
	if (pid < 0)
		fail("worker %d: fork: %d", t->w->nr, errno);
}

static void (*const op_functions[OPS])(struct thread *t, int i) = {
	[OP_MOVE] = op_move,
	[OP_FOREIGN] = op_foreign,
	[OP_HOLD] = op_hold,
	[OP_QUERY] = op_query,
	[OP_SUBMIT] = op_submit,
	[OP_RELEASE] = op_release,
	[OP_PRIORITY] = op_priority,
	[OP_PERCENT] = op_percent,
	[OP_CU_MASK] = op_cu_mask,
	[OP_RING] = op_ring,
	[OP_WAVE_STATE] = op_wave_state,
	[OP_EVICT] = op_evict,
	[OP_USERPTR] = op_userptr,
	[OP_RECREATE] = op_recreate,
	[OP_CLOSE] = op_close,
	[OP_SET] = op_set,
	[OP_FORK] = op_fork,
};

static enum op choose(__u64 *rng)
{
	unsigned int sum = 0, n;
	enum op op;

	for (op = 0; op < OPS; op++)
		sum += ops[op].weight;
	n = rnd(rng, sum);
	for (op = 0; n >= ops[op].weight; op++)
		n -= ops[op].weight;
	return op;
}

/* Let go of everything and stand still for as long as the controller wants */
static void park(struct thread *t)
{
	struct slot *slot = t->w->slot;
	struct meanwhile same;
	int i, r, n = 1;

	close_file(t);
	add(&slot->parked, 1);
	while (get(&ctl->parking)) {
		if (get(&ctl->parking) == 2 && !t->nr && n == 1) {
			for (i = 0; i < opt.queues; i++) {
				r = do_move(RESUME, t->w->kfd.fd, t->w->nr, i, false, &same);
				if (!may_fail(RESUME, r, &same))
					fail("worker %d: RESUME of queue %d: %d", t->w->nr, i, r);
			}
			add(&slot->parked, 1);
			n++;
		}
		usleep(500);
	}
	add(&slot->parked, -n);
	open_file(t);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct slot *slot = t->w->slot;
	pthread_mutex_t *lock;
	enum op op;
	int i;

	while (running()) {
		if (get(&ctl->parking))
			park(t);
		op = choose(&t->rng);
		i = rnd(&t->rng, opt.queues);
		if ((op == OP_EVICT && !mock) || (op == OP_SET && geteuid()))
			continue;
		set(&slot->last[t->nr], op);
		lock = &t->w->q[i].lock;
		if (!ops[op].gate) {
			op_functions[op](t, i);
		} else {
			enter(slot);
			if (!pthread_mutex_trylock(lock)) {
				op_functions[op](t, i);
				pthread_mutex_unlock(lock);
			}
			leave(slot);
		}
		add(&ctl->count[op], 1);
		if (!rnd(&t->rng, 8))
			usleep(rnd(&t->rng, 300));
	}
	set(&slot->last[t->nr], OP_END);
	return NULL;
}

static int start_queues(struct worker *w, __u64 *rng)
{
	static const enum gfx942_kernel_id kernel[JOBS] = {
		GFX942_COUNT, GFX942_COUNT, GFX942_WAIT
	};
	__u32 workgroups, loops;
	int i, j, r;

	for (i = 0; i < opt.queues; i++) {
		pthread_mutex_init(&w->q[i].lock, NULL);
		for (j = 0; j < JOBS; j++) {
			workgroups = 1 + rnd(rng, j == 1 ? 64 : 24);
			loops = j == 1 ? LOOPS_US(500 + rnd(rng, 4000)) : 1 + rnd(rng, 10);
			r = kfd_job_init(&w->kfd, &w->q[i].job[j], kernel[j], workgroups, loops);
			if (r)
				return r;
			w->q[i].job[j].overlap = j == 1;
		}
		r = kfd_mem_alloc(&w->kfd, &w->q[i].spare, 2 * RING_PACKETS * 64,
				  KFD_IOC_ALLOC_MEM_FLAGS_GTT);
		if (r)
			return r;
		r = create_queue(w, i, rng);
		if (r)
			return r;
	}
	return kfd_mem_userptr(&w->kfd, &w->victim, NULL, VICTIM_SIZE);
}

/* Give back what this process holds, its own queues or not */
static void let_go(struct worker *w, struct thread *threads)
{
	struct meanwhile same;
	int s, i, r;

	/* SIGCHLD is ignored: returns when there are no children any more */
	while (wait(NULL) > 0 || errno != ECHILD)
		;
	for (i = 0; i < THREADS; i++)
		close_file(&threads[i]);
	for (s = 0; s < opt.workers; s++)
		for (i = 0; i < opt.queues; i++) {
			r = do_move(RESUME, w->kfd.fd, s, i, true, &same);
			if (!may_fail(RESUME, r, &same))
				fail("worker %d: RESUME of queue %d of worker %d: %d", w->nr, i,
				     s, r);
		}
}

/* The file of a process that exits is closed when its last mapping goes */
static int resume_when_let_go(struct kfd_queue *q)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	int r;

	while ((r = kfd_queue_resume(q)) == -EBUSY && kfd_now_us() < end)
		usleep(1000);
	return r;
}

/* The monitor, if on, may hold it for others that have yet to end */
static int query_when_let_go(struct worker *w, struct kfd_queue *q,
			     struct kfd_ioctl_gpreempt_args *args)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;
	int r;

	while (!(r = kfd_gpreempt_query(&w->kfd, q, args)) &&
	       args->queue_holder == KFD_IOC_GPREEMPT_HOLDER_MONITOR && kfd_now_us() < end)
		usleep(1000);
	return r;
}

/* Nobody holds anything any more: all runs to its end */
static void check(struct worker *w)
{
	struct kfd_ioctl_gpreempt_args args;
	unsigned int timeout = KFD_TIMEOUT_MS;
	struct wqueue *wq;
	int i, j, r;

	for (i = 0; i < opt.queues; i++) {
		wq = &w->q[i];
		wq->q.percent = 100;
		r = kfd_queue_update(&wq->q);
		if (!r)
			r = resume_when_let_go(&wq->q);
		if (!r)
			r = query_when_let_go(w, &wq->q, &args);
		if (r || args.queue_state != KFD_IOC_GPREEMPT_QUEUE_ACTIVE ||
		    args.queue_holder != KFD_IOC_GPREEMPT_HOLDER_NONE) {
			note("# worker %d: queue %d in the end: %d, state %u, holder %u\n", w->nr,
			     i, r, args.queue_state, args.queue_holder);
			add(&ctl->left_preempted, 1);
		}
		for (j = 0; j < JOBS; j++)
			kfd_job_release(&wq->job[j]);
	}
	for (i = 0; i < opt.queues; i++) {
		wq = &w->q[i];
		for (j = 0; j < JOBS; j++) {
			add(&ctl->count[OP_END], 1);
			if (!kfd_job_wait(&wq->job[j], timeout))
				continue;
			note("# worker %d: queue %d, at %lld of %llu: %lld of job %d do not end\n",
			     w->nr, i, kfd_queue_rptr(&wq->q), wq->q.wptr,
			     wq->job[j].signal->value, j);
			add(&ctl->unfinished, 1);
			timeout = 10;
		}
	}
	for (i = 0; i < opt.queues; i++)
		count_jobs(&w->q[i], false);
}

static void worker_main(int nr)
{
	static struct worker worker;
	struct slot *slot = &ctl->slot[nr];
	struct thread threads[THREADS] = { 0 };
	struct worker *w = &worker;
	pthread_t id[THREADS];
	__u64 rng;
	int i, r;

	signal(SIGCHLD, SIG_IGN);
	w->nr = nr;
	w->slot = slot;
	set(&slot->pid, getpid());
	rng = seed_of(nr + 1, slot->generation, 0);
	r = kfd_open(&w->kfd);
	if (!r)
		r = start_queues(w, &rng);
	for (i = 0; i < THREADS && !r; i++) {
		threads[i].w = w;
		threads[i].nr = i;
		threads[i].rng = seed_of(nr + 1, slot->generation, i + 1);
		if (open_file(&threads[i]) < 0)
			r = -EIO;
	}
	if (r) {
		fail("worker %d cannot start: %d", nr, r);
		set(&slot->phase, EXIT);
		_exit(1);
	}
	add(&slot->generation, 1);
	for (i = 0; i < THREADS; i++)
		pthread_create(&id[i], NULL, thread_main, &threads[i]);
	for (i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	set(&slot->phase, LET_GO);
	wait_phase(LET_GO);
	let_go(w, threads);
	set(&slot->phase, CHECK);
	wait_phase(CHECK);
	check(w);
	/* One leaves its queues to the end of the process */
	for (i = 0; i < opt.queues && nr; i++)
		if (kfd_queue_destroy(&w->q[i].q))
			fail("worker %d: DESTROY_QUEUE in the end", nr);
	set(&slot->phase, EXIT);
	_exit(0);
}

/* A short life: some queues, somebody else's too, and an exit with all that open */
static void visitor_main(__u64 rng)
{
	struct meanwhile same;
	struct kfd_queue q[2];
	struct kfd_job job[2];
	struct kfd kfd;
	int i, r;

	r = kfd_open(&kfd);
	if (r) {
		fail("visitor: open: %d", r);
		_exit(1);
	}
	for (i = 0; i < 2; i++) {
		struct kfd_queue_opts opts = { .ring_size = 4096, .cwsr = KFD_CWSR_VRAM };

		r = kfd_queue_create(&kfd, &q[i], &opts);
		if (r && no_hws)
			_exit(0);
		if (!r)
			r = kfd_job_init(&kfd, &job[i], i ? GFX942_WAIT : GFX942_COUNT,
					 1 + rnd(&rng, 40), 1 + rnd(&rng, 500));
		if (r) {
			fail("visitor: queue: %d", r);
			_exit(1);
		}
		kfd_job_submit_n(&job[i], &q[i], 3);
	}
	for (i = rnd(&rng, 8); i >= 0; i--) {
		usleep(rnd(&rng, 1000));
		if (rnd(&rng, 2))
			r = kfd_queue_preempt(&q[i & 1], KFD_IOC_PREEMPT_WAVEFRONT_SAVE, 0);
		else
			r = kfd_queue_resume(&q[i & 1]);
		if (r && r != -EBUSY)
			fail("visitor: its own queue: %d", r);
		if (!r)
			add(&ctl->done, 1);
		r = do_move(PREEMPT, kfd.fd, rnd(&rng, opt.workers), rnd(&rng, opt.queues), true,
			    &same);
		if (!may_fail(PREEMPT, r, &same))
			fail("visitor: PREEMPT of a queue of a worker: %d", r);
	}
	switch (rnd(&rng, 3)) {
	case 0:
		raise(SIGKILL);
		break;
	case 1:
		kfd_close(&kfd);
		break;
	}
	_exit(0);
}

/* The controller: starts, kills, suspends, and says when */

struct controller {
	struct kfd kfd;
	__u64 rng;
	__u64 param[KFD_IOC_GPREEMPT_PARAM_RANK + 1];
	long long violations;
	long long saved_waves;
	pid_t visitor;
	long visitors, kills, suspends, scrubs;
	bool stuck;
};

static pid_t start(struct controller *c)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		ksft_exit_fail_msg("fork: %d\n", errno);
	if (!pid) {
		c->kfd.doorbells = NULL;
		kfd_close(&c->kfd);
	}
	return pid;
}

static void start_worker(struct controller *c, int nr)
{
	struct slot *slot = &ctl->slot[nr];
	pid_t pid;
	int i;

	/* Both odd until there is something */
	for (i = 0; i < opt.queues; i++)
		slot->q[i].epoch += slot->q[i].epoch & 1 ? 2 : 1;
	slot->busy = 0;
	slot->parked = 0;
	slot->phase = RUN;
	pid = start(c);
	if (!pid)
		worker_main(nr);
	set(&slot->pid, pid);
}

static bool all_are(int phase)
{
	int i;

	for (i = 0; i < opt.workers; i++)
		if (get(&ctl->slot[i].phase) < phase)
			return false;
	return true;
}

static void kill_worker(struct controller *c)
{
	int nr = rnd(&c->rng, opt.workers);
	struct slot *slot = &ctl->slot[nr];

	if (get(&slot->generation) & 1)
		return;
	add(&slot->generation, 1);
	kill(slot->pid, SIGKILL);
	waitpid(slot->pid, NULL, 0);
	start_worker(c, nr);
	c->kills++;
}

static void end_visitor(struct controller *c)
{
	if (c->visitor)
		waitpid(c->visitor, NULL, 0);
	c->visitor = 0;
}

static void start_visitor(struct controller *c)
{
	__u64 rng = next_random(&c->rng);

	end_visitor(c);
	c->visitor = start(c);
	if (!c->visitor)
		visitor_main(rng);
	c->visitors++;
}

static bool ready(void)
{
	int i;

	for (i = 0; i < opt.workers; i++)
		if (get(&ctl->slot[i].generation) & 1)
			return false;
	return true;
}

/* How many processes KFD still has something of */
static int kfd_processes(void)
{
	DIR *d = opendir("/sys/class/kfd/kfd/proc");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/*
 * The dead leave a little later. Without HWS, KFD frees their MQDs again and
 * again if that meets a suspended device: process_termination_nocpsch() counts
 * on destroy_queue_nocpsch_locked() to take each queue off the list.
 */
static bool dead_are_gone(int living)
{
	__u64 end = kfd_now_us() + PATIENCE_MS * 1000ull;

	while (kfd_processes() > living) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

static void suspend(struct controller *c)
{
	bool busy;
	int i, r;

	if (!mock || !ready())
		return;
	end_visitor(c);
	if (!dead_are_gone(opt.workers + 1)) {
		fail("a dead process is not gone");
		return;
	}
	set(&ctl->gate, 1);
	do {
		busy = false;
		for (i = 0; i < opt.workers; i++)
			busy |= get(&ctl->slot[i].busy);
		if (busy)
			usleep(500);
	} while (busy && !get(&ctl->failures));
	add(&ctl->suspends, 1);
	r = kfd_mock_write("suspend", "on");
	usleep(rnd(&c->rng, 1000));
	if (!r)
		r = kfd_mock_write("suspend", "off");
	add(&ctl->suspends, 1);
	if (r)
		fail("the device does not sleep and wake: %d", r);
	set(&ctl->gate, 0);
	c->suspends++;
}

static bool all_parked(int n)
{
	bool all;
	int i;

	do {
		usleep(500);
		all = true;
		for (i = 0; i < opt.workers; i++)
			all &= get(&ctl->slot[i].parked) == n;
	} while (!all && running());
	return all;
}

/* All queues are preempted: is that what mock GPU and driver think, too? */
static void check_preempted(void)
{
	long long runlists = kfd_mock_stat("hiq_run_list");
	char text[32];
	int r;

	if (kfd_mock_stat("wg_in_flight"))
		fail("all queues are preempted, %lld workgroups run",
		     kfd_mock_stat("wg_in_flight"));
	/* Makes the driver map what is active: nothing, if it counts right */
	snprintf(text, sizeof(text), "%d 0", ctl->slot[0].pid);
	r = kfd_mock_write("evict", text);
	if (r || kfd_mock_stat("hiq_run_list") != runlists)
		fail("all queues are preempted, but a runlist of active ones is sent: %d", r);
}

/*
 * Preempt every queue, spoil all that the mock GPU finds of them in MQDs and
 * control stacks, resume them: a snapshot must have all of it. What is off the
 * hardware for another reason must be preempted too, hence nobody else may do
 * anything meanwhile.
 */
static void scrub(struct controller *c)
{
	struct meanwhile same;
	int s, i, r;
	__u64 end;

	if (!mock || !ready())
		return;
	end_visitor(c);
	if (!dead_are_gone(opt.workers + 1)) {
		fail("a dead process is not gone");
		return;
	}
	set(&ctl->parking, 1);
	if (!all_parked(THREADS))
		goto out;
	set(&ctl->parking, 2);
	if (!all_parked(THREADS + 1))
		goto out;
	if (!geteuid()) {
		r = kfd_gpreempt_set(&c->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, 0);
		if (r)
			fail("SET of parameter 0 to 0: %d", r);
	}
	/* A file is open as long as a forked child has it */
	end = kfd_now_us() + PATIENCE_MS * 1000ull;
	for (s = 0; s < opt.workers; s++)
		for (i = 0; i < opt.queues; i++) {
			do {
				r = do_move(PREEMPT, c->kfd.fd, s, i, true, &same);
			} while (r == -EBUSY && kfd_now_us() < end);
			if (r)
				fail("PREEMPT of queue %d of worker %d: %d", i, s, r);
		}
	if (!get(&ctl->failures))
		check_preempted();
	if (!get(&ctl->failures))
		kfd_mock_write("scrub", "1");
	for (s = 0; s < opt.workers; s++)
		for (i = 0; i < opt.queues; i++) {
			r = do_move(RESUME, c->kfd.fd, s, i, true, &same);
			if (r)
				fail("RESUME of queue %d of worker %d: %d", i, s, r);
		}
	c->scrubs++;
out:
	set(&ctl->parking, 0);
	all_parked(0);
}

static void stuck(struct controller *c)
{
	struct slot *slot;
	int i;

	c->stuck = true;
	fail("nothing happens any more");
	for (i = 0; i < opt.workers; i++) {
		slot = &ctl->slot[i];
		note("# worker %d: phase %d, %s and %s\n", i, slot->phase,
		     ops[slot->last[0]].name, ops[slot->last[1]].name);
		kill(slot->pid, SIGKILL);
	}
}

static long activity(void)
{
	long sum = get(&ctl->done);
	int i;

	for (i = 0; i < OPS; i++)
		sum += get(&ctl->count[i]);
	for (i = 0; i < opt.workers; i++)
		sum += get(&ctl->slot[i].phase);
	return sum;
}

static bool until(struct controller *c, int phase)
{
	__u64 last = kfd_now_us();
	long seen = -1, now;

	while (!all_are(phase)) {
		now = activity();
		if (now != seen) {
			seen = now;
			last = kfd_now_us();
		} else if (kfd_now_us() - last > STUCK_MS * 1000ull) {
			stuck(c);
			return false;
		}
		usleep(1000);
	}
	return true;
}

static void run(struct controller *c)
{
	__u64 begin = kfd_now_us(), now, progress = begin, last = begin;
	long next_kill = 300, next_visitor = 50, next_suspend = 200, next_scrub = 250;
	long done, seen = -1, at_progress = 0;

	while (running()) {
		usleep(1000);
		now = kfd_now_us();
		done = get(&ctl->done);
		if (activity() != seen) {
			seen = activity();
			last = now;
		} else if (now - last > STUCK_MS * 1000ull) {
			stuck(c);
			return;
		}
		if (now - progress > PROGRESS_MS * 1000ull) {
			note("# %ld of %ld, %ld per second, %ld jobs, %ld tolerated errors\n",
			     done, opt.n, (done - at_progress) * 1000000 / (long)(now - progress),
			     get(&ctl->jobs), get(&ctl->tolerated));
			progress = now;
			at_progress = done;
		}
		if (opt.seconds && now - begin > opt.seconds * 1000000ull)
			break;
		if (done >= next_visitor) {
			start_visitor(c);
			next_visitor = done + 50 + rnd(&c->rng, 200);
		}
		if (done >= next_suspend) {
			suspend(c);
			next_suspend = done + 300 + rnd(&c->rng, 600);
		}
		if (done >= next_scrub) {
			scrub(c);
			next_scrub = done + 300 + rnd(&c->rng, 600);
		}
		if (done >= next_kill) {
			kill_worker(c);
			next_kill = done + 400 + rnd(&c->rng, 800);
		}
	}
}

static void __printf(2, 3) result(bool ok, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (ok)
		ksft_test_result_pass("%s\n", text);
	else
		ksft_test_result_fail("%s\n", text);
}

static void report(struct controller *c)
{
	struct kfd_ioctl_gpreempt_args args = { 0 };
	long long left = 0, violations;
	bool gone;
	int i, r;

	gone = !mock || dead_are_gone(1);
	if (mock)
		left = kfd_mock_stat("wg_in_flight") + kfd_mock_stat("wg_saved");
	violations = kfd_mock_violations() - c->violations;
	r = kfd_gpreempt_query(&c->kfd, NULL, &args);

	for (i = 0; i < OP_END; i++)
		if (ctl->count[i])
			ksft_print_msg("%ld %s\n", ctl->count[i], ops[i].name);
	ksft_print_msg("%ld workers killed, %ld visitors, %ld suspends, %ld scrubs\n", c->kills,
		       c->visitors, c->suspends, c->scrubs);
	ksft_print_msg("%llu preemptions, %llu resumes, %lld saved waves\n",
		       args.preemptions, args.resumes,
		       kfd_mock_stat("saved_waves") - c->saved_waves);
	ksft_print_msg("%ld jobs, %ld workgroups, %ld abandoned, %ld errors tolerated\n",
		       ctl->jobs, ctl->workgroups, ctl->abandoned, ctl->tolerated);
	ksft_print_msg("%ld processes moved out of VRAM\n", ctl->moved);

	result(!ctl->failures, "every operation succeeds or may fail (failures=%ld)",
	       ctl->failures);
	result(opt.seconds || ctl->done >= opt.n, "operations done (%ld)", ctl->done);
	result(!c->stuck && !ctl->left_preempted, "no queue is left preempted (%ld)",
	       ctl->left_preempted);
	result(!c->stuck && !ctl->unfinished, "every job ends (unfinished=%ld)", ctl->unfinished);
	result(!c->stuck && !ctl->lost, "every workgroup ran (lost=%ld)", ctl->lost);
	result(!c->stuck && !ctl->twice, "no workgroup ran twice (twice=%ld)", ctl->twice);
	result(!r && args.preemptions && args.preemptions >= args.resumes,
	       "the driver's counters agree");
	if (!mock) {
		ksft_test_result_skip("mock GPU: no violation\n");
		ksft_test_result_skip("mock GPU: nothing is left of the dead\n");
		return;
	}
	result(!violations, "mock GPU: no violation (%lld)", violations);
	result(gone && !left, "mock GPU: nothing is left of the dead (workgroups=%lld)", left);
}

/* Without HWS each queue needs a slot and each process a VMID, the dead ones too */
static void respect_limits(struct controller *c)
{
	int spare = 2 * opt.queues + 2, slots = c->kfd.gpu.queue_slots;

	if (!no_hws)
		return;
	if (opt.workers > 8)
		opt.workers = 8;
	while (opt.queues > 1 && opt.workers * opt.queues + spare > slots) {
		opt.queues--;
		spare = 2 * opt.queues + 2;
	}
	while (opt.workers > 1 && opt.workers * opt.queues + spare > slots)
		opt.workers--;
}

static void parse(int argc, char **argv)
{
	struct timespec ts;
	int o;

	clock_gettime(CLOCK_REALTIME, &ts);
	opt.seed = (ts.tv_sec ^ ts.tv_nsec) % 1000000;
	while ((o = getopt(argc, argv, "s:n:p:q:t:v")) != -1) {
		switch (o) {
		case 's':
			opt.seed = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			opt.n = atol(optarg);
			break;
		case 'p':
			opt.workers = atoi(optarg);
			break;
		case 'q':
			opt.queues = atoi(optarg);
			break;
		case 't':
			opt.seconds = atol(optarg);
			break;
		case 'v':
			opt.verbose = true;
			break;
		default:
			opt.n = 0;
		}
	}
	if (opt.n < 1 || opt.workers < 1 || opt.workers > MAX_WORKERS || opt.queues < 1 ||
	    opt.queues > MAX_QUEUES || opt.seconds < 0) {
		fprintf(stderr, "usage: %s [-s seed] [-n operations] [-p processes, 1 to %d]\n"
			"\t[-q queues of each, 1 to %d] [-t seconds] [-v]\n",
			argv[0], MAX_WORKERS, MAX_QUEUES);
		exit(KSFT_FAIL);
	}
}

int main(int argc, char **argv)
{
	static struct controller c;
	__u64 begin;
	__u32 p;
	int i, r;

	parse(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	ctl = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ctl == MAP_FAILED)
		ksft_exit_fail_msg("no memory\n");
	r = kfd_open(&c.kfd);
	if (r == -ENODEV || r == -EACCES)
		ksft_exit_skip("no gfx94x GPU\n");
	if (r)
		ksft_exit_fail_msg("/dev/kfd: %d\n", r);
	if (!kfd_has_gpreempt(&c.kfd) || !kfd_module_param("cwsr_enable", 1))
		ksft_exit_skip("no CONFIG_HSA_AMD_GPREEMPT\n");
	ksft_set_plan(9);

	mock = kfd_mock_present();
	no_hws = kfd_no_hws();
	respect_limits(&c);
	c.rng = seed_of(0, 0, 0);
	c.violations = kfd_mock_violations();
	c.saved_waves = kfd_mock_stat("saved_waves");
	for (p = 0; p <= KFD_IOC_GPREEMPT_PARAM_RANK; p++)
		kfd_gpreempt_get(&c.kfd, p, &c.param[p]);
	ksft_print_msg("seed %lu, %ld operations, %d processes, %d queues each, %u XCCs, %s\n",
		       opt.seed, opt.n, opt.workers, opt.queues, c.kfd.gpu.xccs,
		       no_hws ? "no HWS" : "HWS");

	begin = kfd_now_us();
	for (i = 0; i < opt.workers; i++)
		ctl->slot[i].generation = 1;
	for (i = 0; i < opt.workers; i++)
		start_worker(&c, i);
	run(&c);
	end_visitor(&c);
	set(&ctl->phase, LET_GO);
	if (!c.stuck && until(&c, CHECK)) {
		for (p = 0; p <= KFD_IOC_GPREEMPT_PARAM_RANK && !geteuid(); p++)
			if (kfd_gpreempt_set(&c.kfd, p, c.param[p]))
				fail("SET in the end");
		set(&ctl->phase, CHECK);
		until(&c, EXIT);
	}
	for (i = 0; i < opt.workers; i++)
		waitpid(ctl->slot[i].pid, NULL, 0);
	begin = kfd_now_us() - begin;
	ksft_print_msg("%llu.%03llu s\n", begin / 1000000, begin / 1000 % 1000);
	report(&c);
	if (ksft_get_fail_cnt())
		ksft_print_msg("to repeat: %s -s %lu -n %ld -p %d -q %d\n", argv[0], opt.seed,
			       opt.n, opt.workers, opt.queues);
	ksft_finished();
}
