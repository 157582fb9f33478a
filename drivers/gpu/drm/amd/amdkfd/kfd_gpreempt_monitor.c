// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The monitor of GPREEMPT: one thread per device that samples the queues, asks
 * the policy, and has the mechanism carry out what it says, in one batch.
 *
 * It sleeps without a timer while there is nothing to be inverted: fewer than
 * two priorities among the queues that are active or held back by it. A queue
 * event ends that, see kfd_gpreempt_queue_event().
 *
 * Read and write pointers lie in memory of processes, which may be missing,
 * or be made to block. They are read without faulting, and without the DQM
 * lock: a process is represented by a reference to its mm alone, because the
 * last reference to a kfd_process must not be dropped here, while the module
 * may be unloading. A queue is found again by its id, never by its address.
 */

#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/nospec.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <drm/drm_drv.h>
#include <uapi/linux/kfd_ioctl.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_gpreempt.h"
#include "amdgpu_reset.h"

static bool gpreempt;
module_param(gpreempt, bool, 0444);
MODULE_PARM_DESC(gpreempt,
		 "Preempt compute queues by priority (default: false). Can be changed for each device at run time.");

/*
 * A queue is quiet after so many looks without work. A dispatch that waits for
 * room can show waves later, without any move of a pointer: even then look at
 * its waves now and then.
 */
#define QUIET_LOOKS	4
#define RECHECK_LOOKS	16

/*
 * A queue that has packets is blocked if its read pointer has not moved for so
 * long, and it had no waves at so many looks then, though there was room. Far
 * above the 10 ms for which HWS maps a process when there are too many of them
 * (process_quantum of MAP_PROCESS).
 */
#define BLOCKED_MS	100
#define BLOCKED_LOOKS	4

/**
 * struct scan_queue - what a tick remembers of a queue besides the sample
 * @rptr_addr: where its read pointer is, in its process
 * @wptr_addr: where its write pointer is, in its process
 * @rptr: read pointer, as it was last read, 0 before
 * @wptr: write pointer, as it was last read, 0 before
 * @ring_bytes: size of its ring
 * @stalled_ns: since when the read pointer stands before a packet, or 0
 * @doorbell_off: its doorbell, by which the hardware knows it
 * @mm: index of its process in kfd_gpreempt_scan.mm
 * @idle: looks in a row without work and without a move of a pointer
 * @unused: looks without waves, though stalled and with room
 * @aql: it is an AQL queue
 * @cu_masked: it must not use all CUs
 * @moved: its read pointer has moved since the look before
 * @known: the pointers could be read at this look
 */
struct scan_queue {
	void __user *rptr_addr;
	void __user *wptr_addr;
	u64 rptr;
	u64 wptr;
	u64 ring_bytes;
	u64 stalled_ns;
	u32 doorbell_off;
	u32 mm;
	u32 idle;
	u32 unused;
	bool aql;
	bool cu_masked;
	bool moved;
	bool known;
};

/**
 * struct scan - one look at the queues of a device
 * @sample: what the policy sees, in the order of the DQM's lists
 * @queue: what else there is to know, in the same order
 * @n: number of queues
 * @counted: waves were counted
 * @room: and there was room for any workgroup, on all XCCs
 * @sliced: a queue had the device because it had starved
 */
struct scan {
	struct kfd_gpreempt_sample *sample;
	struct scan_queue *queue;
	unsigned int n;
	bool counted;
	bool room;
	bool sliced;
};

/**
 * struct kfd_gpreempt_scan - the buffers of a monitor
 * @dqm: the device
 * @capacity: number of queues that there is room for
 * @now: the look of this tick
 * @prev: the look of the tick before
 * @mm: the processes of @now, NULL if one is gone
 * @num_mm: number of processes
 * @decision: what the policy says about @now
 * @step: what becomes of it
 * @occupancy: what one XCC says about its waves
 */
struct kfd_gpreempt_scan {
	struct device_queue_manager *dqm;
	unsigned int capacity;
	struct scan now;
	struct scan prev;
	struct mm_struct **mm;
	unsigned int num_mm;
	enum kfd_gpreempt_decision *decision;
	struct kfd_gpreempt_step *step;
	struct kfd_cu_occupancy occupancy[AMDGPU_MAX_QUEUES];
};

static void free_look(struct scan *look)
{
	kvfree(look->sample);
	kvfree(look->queue);
	memset(look, 0, sizeof(*look));
}

static void free_buffers(struct kfd_gpreempt_scan *scan)
{
	free_look(&scan->now);
	free_look(&scan->prev);
	kvfree(scan->mm);
	kvfree(scan->decision);
	kvfree(scan->step);
	scan->mm = NULL;
	scan->decision = NULL;
	scan->step = NULL;
	scan->capacity = 0;
}

static bool alloc_look(struct scan *look, unsigned int n)
{
	look->sample = kvcalloc(n, sizeof(*look->sample), GFP_KERNEL);
	look->queue = kvcalloc(n, sizeof(*look->queue), GFP_KERNEL);

	return look->sample && look->queue;
}

/* What was seen before is kept: one look alone does not tell what moves */
static int alloc_buffers(struct kfd_gpreempt_scan *scan, unsigned int n)
{
	struct scan old = scan->prev;

	n = roundup_pow_of_two(max(n, 16));

	memset(&scan->prev, 0, sizeof(scan->prev));
	free_buffers(scan);
	scan->mm = kvcalloc(n, sizeof(*scan->mm), GFP_KERNEL);
	scan->decision = kvcalloc(n, sizeof(*scan->decision), GFP_KERNEL);
	scan->step = kvcalloc(n, sizeof(*scan->step), GFP_KERNEL);
	if (!alloc_look(&scan->now, n) || !alloc_look(&scan->prev, n) ||
	    !scan->mm || !scan->decision || !scan->step) {
		free_buffers(scan);
		free_look(&old);
		return -ENOMEM;
	}
	scan->capacity = n;

	memcpy(scan->prev.sample, old.sample, old.n * sizeof(*old.sample));
	memcpy(scan->prev.queue, old.queue, old.n * sizeof(*old.queue));
	scan->prev.n = old.n;
	scan->prev.counted = old.counted;
	scan->prev.room = old.room;
	scan->prev.sliced = old.sliced;
	free_look(&old);

	return 0;
}

static bool is_held(const struct queue *q)
{
	return q->gpreempt.holders & KFD_GPREEMPT_HOLD_MONITOR;
}

/* Also one that is evicted, lest it is taken for a new one afterwards */
static bool is_of_interest(const struct queue *q)
{
	return q->properties.type == KFD_QUEUE_TYPE_COMPUTE;
}

/* How many queues are there, and can there be an inversion at all? */
static unsigned int count_queues(struct device_queue_manager *dqm, bool *busy)
{
	struct device_process_node *cur;
	unsigned int n = 0;
	bool held = false;
	u32 levels = 0;
	struct queue *q;

	list_for_each_entry(cur, &dqm->queues, list) {
		list_for_each_entry(q, &cur->qpd->queues_list, list) {
			if (!is_of_interest(q))
				continue;
			n++;
			if (!q->properties.is_active && !is_held(q))
				continue;
			held |= is_held(q);
			/* CRIU restores whatever the image says */
			levels |= BIT(min_t(u32, q->properties.priority,
					    KFD_GPREEMPT_LEVELS - 1));
		}
	}
	*busy = held || hweight32(levels) > 1;

	return n;
}

/*
 * The main thread may have ended while others go on, and then it has no mm.
 * That of a program that was executed since is not the one.
 */
static struct mm_struct *get_mm(struct kfd_process *p)
{
	struct mm_struct *mm = NULL;
	struct task_struct *t;

	rcu_read_lock();
	for_each_thread(p->lead_thread, t) {
		mm = get_task_mm(t);
		if (mm)
			break;
	}
	rcu_read_unlock();

	if (mm && mm != READ_ONCE(p->mm)) {
		mmput_async(mm);
		mm = NULL;
	}

	return mm;
}

static void look_at(struct device_queue_manager *dqm, struct queue *q,
		    struct kfd_gpreempt_sample *s, struct scan_queue *sq)
{
	memset(s, 0, sizeof(*s));
	memset(sq, 0, sizeof(*sq));

	s->id = q->gpreempt.id;
	s->since_ns = q->gpreempt.since_ns;
	s->priority = q->properties.priority;

	if (q->properties.is_active) {
		s->flags |= KFD_GPREEMPT_RUNS;
		if (!kfd_gpreempt_can_preempt(dqm, q))
			s->flags |= KFD_GPREEMPT_DISPLACEABLE;
		if (q->gpreempt.sliced)
			s->flags |= KFD_GPREEMPT_SLICE;
	} else if (is_held(q)) {
		s->flags |= KFD_GPREEMPT_HELD;
		/* Would run if it were not for the monitor? */
		if (q->gpreempt.had_work &&
		    q->gpreempt.holders == KFD_GPREEMPT_HOLD_MONITOR &&
		    kfd_gpreempt_would_run(q) &&
		    !q->properties.is_being_destroyed)
			s->flags |= KFD_GPREEMPT_SAVED;
	}

	sq->rptr_addr = q->properties.read_ptr;
	sq->wptr_addr = q->properties.write_ptr;
	sq->ring_bytes = q->properties.queue_size;
	sq->doorbell_off = q->properties.doorbell_off;
	sq->aql = q->properties.format == KFD_QUEUE_FORMAT_AQL;
	sq->cu_masked = q->properties.is_user_cu_masked;
}

/*
 * Collect the queues, under the DQM lock. Returns -EAGAIN if there is nothing
 * to do until a queue event, with the monitor marked idle, or -ENOSPC if @need
 * queues do not fit.
 */
static int collect(struct kfd_gpreempt_scan *scan, unsigned int *need)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct device_process_node *cur;
	struct scan *now = &scan->now;
	struct queue *q;
	bool busy;

	now->n = 0;
	now->counted = false;
	now->room = false;
	now->sliced = false;
	scan->num_mm = 0;

	*need = count_queues(dqm, &busy);
	if (!busy) {
		WRITE_ONCE(dqm->gpreempt.idle, true);
		return -EAGAIN;
	}
	if (*need > scan->capacity)
		return -ENOSPC;
	if (!kfd_gpreempt_ready(dqm))
		return 0;

	list_for_each_entry(cur, &dqm->queues, list) {
		struct kfd_process *p = cur->qpd->pqm->process;
		unsigned int first = now->n;

		list_for_each_entry(q, &cur->qpd->queues_list, list) {
			if (!is_of_interest(q))
				continue;
			look_at(dqm, q, &now->sample[now->n],
				&now->queue[now->n]);
			now->queue[now->n].mm = scan->num_mm;
			now->n++;
		}

		if (now->n != first)
			scan->mm[scan->num_mm++] = get_mm(p);
	}

	return 0;
}

static void read_pointers(struct scan_queue *sq)
{
	size_t size = sq->aql ? sizeof(u64) : sizeof(u32);
	u64 rptr = 0, wptr = 0;

	if (copy_from_user_nofault(&rptr, sq->rptr_addr, size) ||
	    copy_from_user_nofault(&wptr, sq->wptr_addr, size))
		return;

	sq->rptr = rptr;
	sq->wptr = wptr;
	sq->known = true;
}

/* Visit each process once, and drop the references to them */
static void read_all_pointers(struct kfd_gpreempt_scan *scan)
{
	struct scan *now = &scan->now;
	unsigned int i = 0, m;

	for (m = 0; m < scan->num_mm; m++) {
		struct mm_struct *mm = scan->mm[m];

		if (mm)
			kthread_use_mm(mm);
		for (; i < now->n && now->queue[i].mm == m; i++)
			if (mm)
				read_pointers(&now->queue[i]);
		if (mm) {
			kthread_unuse_mm(mm);
			/* The last reference takes apart a whole process */
			mmput_async(mm);
		}
		scan->mm[m] = NULL;
	}
}

/* Queues keep their order as a rule */
static int find_id(const struct scan *look, u64 id, unsigned int hint)
{
	unsigned int i;

	if (hint < look->n && look->sample[hint].id == id)
		return hint;

	for (i = 0; i < look->n; i++)
		if (look->sample[i].id == id)
			return i;

	return -1;
}

static void judge_idle(const struct scan *prev, int j,
		       struct kfd_gpreempt_sample *s, struct scan_queue *sq)
{
	const struct kfd_gpreempt_sample *ps = &prev->sample[j];

	if (!sq->known || sq->wptr != prev->queue[j].wptr ||
	    kfd_gpreempt_has_work(ps) ||
	    !(prev->counted || (ps->flags & KFD_GPREEMPT_QUIET)))
		return;

	sq->idle = prev->queue[j].idle + 1;
	if (sq->idle >= QUIET_LOOKS && sq->idle % RECHECK_LOOKS)
		s->flags |= KFD_GPREEMPT_QUIET;
}

static void judge_stalled(const struct scan *prev, int j,
			  struct kfd_gpreempt_sample *s, struct scan_queue *sq,
			  u64 now_ns)
{
	const struct scan_queue *psq = &prev->queue[j];

	if (!(s->flags & KFD_GPREEMPT_PENDING))
		return;

	sq->stalled_ns = psq->stalled_ns ?: now_ns;
	sq->unused = psq->unused;
	if (prev->sample[j].flags & KFD_GPREEMPT_BLOCKED)
		s->flags |= KFD_GPREEMPT_BLOCKED;
	else if (now_ns - sq->stalled_ns >= BLOCKED_MS * NSEC_PER_MSEC)
		s->flags |= KFD_GPREEMPT_STALLED;
}

/* Compare with the look before */
static void judge_moves(const struct scan *prev, int j,
			struct kfd_gpreempt_sample *s, struct scan_queue *sq,
			u64 now_ns)
{
	const struct kfd_gpreempt_sample *ps;

	if (j < 0) {
		/* New to the monitor, and so is what it may have started */
		sq->moved = sq->rptr;
		if (sq->moved)
			s->flags |= KFD_GPREEMPT_STARTED;
		return;
	}

	ps = &prev->sample[j];
	s->work_ns = ps->work_ns;
	sq->moved = sq->rptr != prev->queue[j].rptr;

	/*
	 * Twice, for just after a new runlist nothing has its waves back. And
	 * it cannot have got what it waits for in a slice, or unmapped.
	 */
	if (sq->moved || prev->queue[j].moved ||
	    ((ps->flags & KFD_GPREEMPT_STARTED) &&
	     (prev->sliced || !(ps->flags & KFD_GPREEMPT_RUNS))))
		s->flags |= KFD_GPREEMPT_STARTED;

	if (sq->moved || !(s->flags & ps->flags & KFD_GPREEMPT_RUNS) ||
	    ps->since_ns != s->since_ns)
		return;

	judge_stalled(prev, j, s, sq, now_ns);
	judge_idle(prev, j, s, sq);
}

static void judge_pointers(struct kfd_gpreempt_scan *scan, u64 now_ns)
{
	struct scan *now = &scan->now;
	unsigned int i;

	for (i = 0; i < now->n; i++) {
		struct kfd_gpreempt_sample *s = &now->sample[i];
		struct scan_queue *sq = &now->queue[i];
		int j = find_id(&scan->prev, s->id, i);

		/* A page that is missing says nothing */
		if (!sq->known && j >= 0) {
			sq->rptr = scan->prev.queue[j].rptr;
			sq->wptr = scan->prev.queue[j].wptr;
		}

		if ((s->flags & (KFD_GPREEMPT_RUNS | KFD_GPREEMPT_SAVED)) &&
		    kfd_gpreempt_pending(sq->rptr, sq->wptr, sq->ring_bytes,
					 sq->aql))
			s->flags |= KFD_GPREEMPT_PENDING;
		judge_moves(&scan->prev, j, s, sq, now_ns);
	}
}

/*
 * Fewer waves than CUs: one CU is empty, and takes any workgroup. With more of
 * them nobody can tell, for a CU is full when it is out of registers or LDS,
 * with one large workgroup as well as with all its wave slots in use.
 */
static void count_waves(struct kfd_gpreempt_scan *scan)
{
	struct kfd_node *node = scan->dqm->dev;
	u32 xcc_mask = node->xcc_mask;
	struct scan *now = &scan->now;
	int xcc_id, max_waves, idx;
	unsigned int i, j, waves;
	u32 cus;

	if (!node->kfd2kgd->get_cu_occupancy ||
	    !drm_dev_enter(adev_to_drm(node->adev), &idx))
		return;
	/* Suspend freezes this thread, and a reset waits for the semaphore */
	if (!down_read_trylock(&node->adev->reset_domain->sem))
		goto out;
	if (!READ_ONCE(scan->dqm->sched_running))
		goto out_up;
	now->counted = true;
	now->room = true;
	cus = node->adev->gfx.cu_info.number /
	      NUM_XCC(node->adev->gfx.xcc_mask);

	for_each_inst(xcc_id, xcc_mask) {
		memset(scan->occupancy, 0, sizeof(scan->occupancy));
		node->kfd2kgd->get_cu_occupancy(node->adev, scan->occupancy,
						&max_waves, xcc_id);

		waves = 0;
		for (i = 0; i < ARRAY_SIZE(scan->occupancy); i++) {
			if (!scan->occupancy[i].wave_cnt)
				continue;
			waves += scan->occupancy[i].wave_cnt;
			for (j = 0; j < now->n; j++) {
				if (now->queue[j].doorbell_off !=
				    scan->occupancy[i].doorbell_off)
					continue;
				now->sample[j].waves +=
					scan->occupancy[i].wave_cnt;
				break;
			}
		}
		now->room &= waves < cus;
	}

out_up:
	up_read(&node->adev->reset_domain->sem);
out:
	drm_dev_exit(idx);
}

/* What the waves say about queues that show little else */
static void judge_waves(struct scan *now, u64 now_ns)
{
	unsigned int i;

	for (i = 0; now->counted && i < now->n; i++) {
		struct kfd_gpreempt_sample *s = &now->sample[i];
		struct scan_queue *sq = &now->queue[i];

		/*
		 * What was started and had room is in flight, or has ended.
		 * Unless its own CUs are full; which they are is not known.
		 */
		if (now->room && !sq->cu_masked)
			s->flags &= ~KFD_GPREEMPT_STARTED;

		if (!(s->flags & (KFD_GPREEMPT_STALLED | KFD_GPREEMPT_BLOCKED)))
			continue;

		if (s->waves) {
			s->flags &= ~KFD_GPREEMPT_BLOCKED;
			sq->stalled_ns = now_ns;
			sq->unused = 0;
		} else if (now->room && ++sq->unused >= BLOCKED_LOOKS) {
			s->flags |= KFD_GPREEMPT_BLOCKED;
		}
	}
}

/* Find the queues again that something is to be done with */
static unsigned int make_steps(struct kfd_gpreempt_scan *scan)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct device_process_node *cur;
	unsigned int hint = 0, n = 0;
	struct queue *q;

	list_for_each_entry(cur, &dqm->queues, list) {
		list_for_each_entry(q, &cur->qpd->queues_list, list) {
			const struct kfd_gpreempt_sample *s;
			enum kfd_gpreempt_decision decision;
			struct kfd_gpreempt_step *step;
			bool preempt;
			int i;

			if (!is_of_interest(q))
				continue;

			i = find_id(&scan->now, q->gpreempt.id, hint);
			if (i < 0)
				continue;
			hint = i + 1;

			s = &scan->now.sample[i];
			decision = scan->decision[i];
			preempt = decision == KFD_GPREEMPT_PREEMPT;
			if (decision == KFD_GPREEMPT_KEEP ||
			    s->priority != q->properties.priority ||
			    preempt == is_held(q))
				continue;

			step = &scan->step[n++];
			memset(step, 0, sizeof(*step));
			step->q = q;
			step->holder = KFD_GPREEMPT_HOLD_MONITOR;
			step->preempt = preempt;
			step->slice = decision == KFD_GPREEMPT_RESUME_SLICE;
			step->had_work = true;
		}
	}

	return n;
}

/*
 * What does not preempt in time once will not do so the next time either, with
 * the DQM lock held for seconds each time. Leave the device alone until
 * somebody says so. If a reset is due, queues are let go of in memory only.
 */
static void give_up(struct device_queue_manager *dqm, const char *what)
{
	WRITE_ONCE(dqm->gpreempt.enabled, false);
	dev_err(dqm->dev->adev->dev,
		"GPREEMPT: %s on node %u did not answer a request to preempt in time. Priority preemption is off there until it is enabled again\n",
		what, dqm->dev->node_id);
	kfd_gpreempt_release(dqm, KFD_GPREEMPT_HOLD_MONITOR, NULL);
}

static void act(struct kfd_gpreempt_scan *scan)
{
	struct device_queue_manager *dqm = scan->dqm;
	const char *what = NULL;
	unsigned int i, n;
	int r;

	dqm_lock(dqm);
	n = make_steps(scan);
	r = kfd_gpreempt_execute(dqm, scan->step, n);
	for (i = 0; i < n; i++)
		if (scan->step[i].err == -ETIME)
			what = "a compute queue";
	dqm_unlock(dqm);

	if (r == -ETIME)
		what = "the scheduler firmware";

	/* Any other error passes, or concerns one queue: see at the next tick */
	if (what)
		give_up(dqm, what);
}

static void tick(struct kfd_gpreempt_scan *scan)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	struct kfd_gpreempt_params params;
	struct scan *now = &scan->now;
	unsigned int i, need;
	bool todo = false;
	u64 now_ns;
	int r;

	do {
		dqm_lock(dqm);
		r = collect(scan, &need);
		dqm_unlock(dqm);
	} while (r == -ENOSPC && !alloc_buffers(scan, need));
	if (r)
		return;

	WRITE_ONCE(gp->ticks, gp->ticks + 1);
	if (!now->n)
		return;

	/* They can be set at any time */
	for (i = 0; i < KFD_GPREEMPT_NUM_PARAMS; i++)
		params.val[i] = READ_ONCE(gp->params.val[i]);

	read_all_pointers(scan);
	now_ns = ktime_get_ns();
	judge_pointers(scan, now_ns);
	if (kfd_gpreempt_needs_waves(now->sample, now->n)) {
		count_waves(scan);
		judge_waves(now, now_ns);
	}

	for (i = 0; i < now->n; i++) {
		struct kfd_gpreempt_sample *s = &now->sample[i];

		if ((s->flags & KFD_GPREEMPT_RUNS) && kfd_gpreempt_has_work(s))
			s->work_ns = now_ns;
		now->sliced |= kfd_gpreempt_in_slice(&params, s, now_ns);
	}

	if (kfd_gpreempt_decide(&params, now->sample, now->n, now_ns,
				scan->decision)) {
		WRITE_ONCE(gp->inversions, gp->inversions + 1);
		/* If that was for the sake of what was started, it was work */
		for (i = 0; i < now->n; i++)
			if (now->sample[i].flags & KFD_GPREEMPT_STARTED)
				now->sample[i].work_ns = now_ns;
	}

	for (i = 0; i < now->n; i++)
		todo |= scan->decision[i] != KFD_GPREEMPT_KEEP;
	if (todo)
		act(scan);

	swap(scan->now, scan->prev);
}

static int monitor(void *data)
{
	struct kfd_gpreempt_scan *scan = data;
	struct kfd_gpreempt *gp = &scan->dqm->gpreempt;

	set_freezable();

	while (!kthread_should_stop()) {
		if (!READ_ONCE(gp->enabled) || READ_ONCE(gp->idle)) {
			wait_event_freezable(gp->wait,
					     kthread_should_stop() ||
					     (READ_ONCE(gp->enabled) &&
					      !READ_ONCE(gp->idle)));
		} else {
			u64 *interval = &gp->params.val[KFD_GPREEMPT_INTERVAL_US];
			u64 us = READ_ONCE(*interval);

			wait_event_interruptible_hrtimeout(gp->wait,
							   kthread_should_stop() ||
							   READ_ONCE(*interval) != us,
							   ns_to_ktime(us * NSEC_PER_USEC));
			try_to_freeze();
		}

		/* Nor while the machine goes down: devices may be off already */
		if (!kthread_should_stop() && READ_ONCE(gp->enabled) &&
		    system_state <= SYSTEM_RUNNING)
			tick(scan);
	}

	return 0;
}

/* Under gp->ctl */
static int start_monitor(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	struct kfd_gpreempt_scan *scan;
	struct task_struct *thread;

	if (!dqm->dev->kfd->cwsr_enabled)
		return -EOPNOTSUPP;

	if (!gp->thread) {
		scan = kvzalloc(sizeof(*scan), GFP_KERNEL);
		if (!scan)
			return -ENOMEM;
		scan->dqm = dqm;

		thread = kthread_create(monitor, scan, "gpreempt/%u",
					dqm->dev->id);
		if (IS_ERR(thread)) {
			kvfree(scan);
			return PTR_ERR(thread);
		}
		gp->scan = scan;
		gp->thread = thread;
	}

	WRITE_ONCE(gp->idle, false);
	WRITE_ONCE(gp->enabled, true);
	wake_up_process(gp->thread);

	return 0;
}

/* Under gp->ctl */
static void stop_monitor(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;

	WRITE_ONCE(gp->enabled, false);
	if (!gp->thread)
		return;

	kthread_stop(gp->thread);
	gp->thread = NULL;
	free_buffers(gp->scan);
	kvfree(gp->scan);
	gp->scan = NULL;
}

/**
 * kfd_gpreempt_monitor_init - prepare the monitor of a device
 * @dqm: the device, initialized
 *
 * Starts it if the module parameter says so.
 */
void kfd_gpreempt_monitor_init(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	int r;

	mutex_init(&gp->ctl);
	init_waitqueue_head(&gp->wait);
	kfd_gpreempt_params_init(&gp->params);

	if (!gpreempt)
		return;

	r = kfd_gpreempt_set_param(dqm, KFD_IOC_GPREEMPT_PARAM_ENABLE, 1);
	if (r)
		dev_warn(dqm->dev->adev->dev,
			 "GPREEMPT: no priority preemption on node %u (%d)\n",
			 dqm->dev->node_id, r);
}

/**
 * kfd_gpreempt_monitor_fini - stop the monitor of a device for good
 * @dqm: the device, before it is stopped
 */
void kfd_gpreempt_monitor_fini(struct device_queue_manager *dqm)
{
	mutex_lock(&dqm->gpreempt.ctl);
	stop_monitor(dqm);
	mutex_unlock(&dqm->gpreempt.ctl);
	mutex_destroy(&dqm->gpreempt.ctl);
}

/**
 * kfd_gpreempt_queue_event - a queue became active or changed
 * @dqm: its device
 *
 * Gets the monitor out of its sleep without timer. Costs nothing otherwise, so
 * that updates of queues do not make it look more often.
 *
 * Context: under the DQM lock.
 */
void kfd_gpreempt_queue_event(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;

	if (READ_ONCE(gp->idle)) {
		WRITE_ONCE(gp->idle, false);
		wake_up(&gp->wait);
	}
}

/**
 * kfd_gpreempt_get_param - read a parameter of a device
 * @dqm: the device
 * @param: KFD_IOC_GPREEMPT_PARAM_*
 * @value: from the function: its value, in the unit of its name
 *
 * Return: 0, or -EINVAL for a parameter that does not exist.
 */
int kfd_gpreempt_get_param(struct device_queue_manager *dqm, u32 param,
			   u64 *value)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;

	if (param == KFD_IOC_GPREEMPT_PARAM_ENABLE) {
		*value = READ_ONCE(gp->enabled);
		return 0;
	}

	param -= KFD_IOC_GPREEMPT_PARAM_INTERVAL_US;
	if (param >= KFD_GPREEMPT_NUM_PARAMS)
		return -EINVAL;
	param = array_index_nospec(param, KFD_GPREEMPT_NUM_PARAMS);

	*value = READ_ONCE(gp->params.val[param]);

	return 0;
}

/**
 * kfd_gpreempt_set_param - write a parameter of a device
 * @dqm: the device
 * @param: KFD_IOC_GPREEMPT_PARAM_*
 * @value: its new value, in the unit of its name
 *
 * When the monitor is switched off it resumes what it has preempted.
 *
 * Context: process context, not under the DQM lock; waits for the monitor.
 * Return: 0; -EINVAL for an unknown parameter or a value out of bounds;
 * -EOPNOTSUPP without CWSR; -ENOMEM; -EINTR or what a resume returned, with
 * the monitor off in any case.
 */
int kfd_gpreempt_set_param(struct device_queue_manager *dqm, u32 param,
			   u64 value)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	int r = 0;

	if (param != KFD_IOC_GPREEMPT_PARAM_ENABLE) {
		param -= KFD_IOC_GPREEMPT_PARAM_INTERVAL_US;
		if (param >= KFD_GPREEMPT_NUM_PARAMS)
			return -EINVAL;
		param = array_index_nospec(param, KFD_GPREEMPT_NUM_PARAMS);
		if (!kfd_gpreempt_param_valid(param, value))
			return -EINVAL;

		WRITE_ONCE(gp->params.val[param], value);
		/* A new interval counts at once */
		wake_up(&gp->wait);
		return 0;
	}

	if (value > 1)
		return -EINVAL;

	mutex_lock(&gp->ctl);
	if (value) {
		r = start_monitor(dqm);
	} else {
		stop_monitor(dqm);
		r = kfd_gpreempt_release(dqm, KFD_GPREEMPT_HOLD_MONITOR, NULL);
	}
	mutex_unlock(&gp->ctl);

	return r;
}
