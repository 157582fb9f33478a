// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The monitor of GPREEMPT: one thread per device that samples the queues, asks
 * the policy, and has the mechanism carry out what it says, in one batch.
 *
 * The level of a queue is its priority, shifted by how nice its process is. The
 * monitor sleeps without a timer while there is nothing to be inverted: fewer
 * than two levels among the queues that are active or held back by it. A queue
 * event ends that, see kfd_gpreempt_queue_event(), or an interrupt after a
 * process was reniced, see kfd_gpreempt_activity().
 *
 * A tick costs what the queues that matter cost. Active queues are in lists by
 * process and priority. Those of the lowest level cannot displace anybody, and
 * are left alone until a higher one has work.
 *
 * Read and write pointers lie in memory of processes, which may be missing,
 * or be made to block. They are read without faulting, and without the DQM
 * lock: a process is represented by a reference to its mm alone, because the
 * last reference to a kfd_process must not be dropped here, while the module
 * may be unloading. A queue is found again by its id, never by its address.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <drm/drm_drv.h>
#include <uapi/linux/kfd_ioctl.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_gpreempt.h"
#include "kfd_gpreempt_trace.h"
#include "amdgpu_reset.h"

static bool gpreempt;
module_param(gpreempt, bool, 0444);
MODULE_PARM_DESC(gpreempt,
		 "Preempt compute queues by priority (default: false). Can be changed for each device at run time.");

/*
 * A queue is quiet after so many looks without work. A dispatch that waits for
 * room can show waves later, without any move of a pointer: if there may be
 * one, look at its waves now and then even so.
 */
#define QUIET_LOOKS	4
#define RECHECK_LOOKS	16

/*
 * A queue that has packets is blocked if its read pointer has not moved for so
 * long, and it had no waves at so many looks then, though there was room. Far
 * above the 10 ms for which HWS maps a process when there are too many of them
 * (process_quantum of MAP_PROCESS); as many times as long as they take turns.
 */
#define BLOCKED_MS	100
#define BLOCKED_LOOKS	4
/* Less where a packet says it; twice, as a new runlist hides waves for one look */
#define BARRIER_LOOKS	2

/* AQL packets that wait for signals: HSA system architecture, 2.9 */
#define AQL_PACKET_BYTES	64
#define AQL_TYPE(header)	((header) & 0xff)
#define AQL_BARRIER_AND		3
#define AQL_BARRIER_OR		5

/* Between two looks at ranks for the sake of an interrupt, ms */
#define RANK_MS		100

/**
 * struct scan_queue - what a tick remembers of a queue besides the sample
 * @rptr_addr: where its read pointer is, in its process
 * @wptr_addr: where its write pointer is, in its process
 * @last_rptr: read pointer at the look before, 0 if there was none
 * @rptr: read pointer, as it was last read
 * @wptr: write pointer, as it was last read
 * @ring_addr: where its ring is, in its process
 * @ring_bytes: size of its ring
 * @stalled_ns: since when the read pointer stands before a packet, or 0
 * @doorbell_off: its doorbell, by which the hardware knows it
 * @priority: its own priority
 * @prev: where it is in the look before, or -1
 * @mm: index of its process in kfd_gpreempt_scan.mm
 * @idle: looks in a row without work and without a move of a pointer
 * @unused: looks without waves, though stalled and with room
 * @aql: it is an AQL queue
 * @unplaced: it may have started, or have to restore, what has no room yet
 * @cu_masked: it must not use all CUs
 * @moved: its read pointer has moved since the look before
 * @known: the pointers could be read at this look
 * @waits: a packet that waits for signals is the next one
 */
struct scan_queue {
	void __user *rptr_addr;
	void __user *wptr_addr;
	void __user *ring_addr;
	u64 last_rptr;
	u64 rptr;
	u64 wptr;
	u64 ring_bytes;
	u64 stalled_ns;
	u32 doorbell_off;
	u32 priority;
	int prev;
	u32 mm;
	u32 idle;
	u32 unused;
	bool aql;
	bool unplaced;
	bool cu_masked;
	bool moved;
	bool known;
	bool waits;
};

/**
 * struct scan - one look at the queues of a device
 * @sample: what the policy sees
 * @queue: what else there is to know, in the same order
 * @n: number of queues
 * @ns: when
 * @full: no level was left out
 * @counted: waves were counted
 * @room: and there was room for any workgroup, on all XCCs
 * @sliced: a queue had the device because it had starved
 */
struct scan {
	struct kfd_gpreempt_sample *sample;
	struct scan_queue *queue;
	unsigned int n;
	u64 ns;
	bool full;
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
 * @params: parameters of this tick
 * @foreign: queues of more than one user are on the device
 * @turns: how many turns of HWS it takes until every queue was mapped once
 * @left_out: level whose queues are not in @now, or -1
 * @decision: what the policy says about @now
 * @winner: who profits from it, in @now, or NULL
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
	struct kfd_gpreempt_params params;
	bool foreign;
	u32 turns;
	int left_out;
	enum kfd_gpreempt_decision *decision;
	const struct kfd_gpreempt_sample *winner;
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
	scan->prev.ns = old.ns;
	scan->prev.full = old.full;
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

static bool has_active_queues(const struct qcm_process_device *qpd)
{
	unsigned int i;

	for (i = 0; i < KFD_GPREEMPT_LEVELS; i++)
		if (!list_empty(&qpd->gpreempt_queues[i]))
			return true;

	return false;
}

/* Is the main thread still in the program that has the queues? */
static bool is_owner(struct kfd_process *p)
{
	struct mm_struct *mm;

	/* begin_new_exec() changes the mm before the credentials */
	smp_rmb();
	mm = kfd_gpreempt_get_mm(p);
	if (mm)
		mmput_async(mm);

	return mm;
}

/* Not that of a setuid program which the main thread has executed since */
static kuid_t user_of(struct qcm_process_device *qpd)
{
	struct kfd_process *p = qpd->pqm->process;
	kuid_t uid = task_uid(p->lead_thread);

	if (!uid_eq(uid, qpd->gpreempt_uid) && is_owner(p))
		qpd->gpreempt_uid = uid;

	return qpd->gpreempt_uid;
}

/* Do queues of more than one user have to get along? */
static bool is_shared(struct device_queue_manager *dqm)
{
	struct device_process_node *cur;
	kuid_t uid, first = INVALID_UID;

	list_for_each_entry(cur, &dqm->queues, list) {
		struct qcm_process_device *qpd = cur->qpd;

		if (!has_active_queues(qpd) &&
		    (!dqm->gpreempt.holds || list_empty(&qpd->queues_list)))
			continue;
		uid = user_of(qpd);
		if (!uid_valid(first))
			first = uid;
		else if (!uid_eq(uid, first))
			return true;
	}

	return false;
}

/*
 * The level of each priority in a process. Its main thread is the one that
 * nice(1) starts and renice(1) finds. If that has executed another program,
 * perhaps a setuid one, while queues live on, they gain nothing by it.
 */
static void rank(struct kfd_process *p, bool on, bool foreign, u8 *level)
{
	struct task_struct *task = p->lead_thread;
	bool privileged = foreign && has_capability_noaudit(task, CAP_SYS_NICE);
	int nice = on ? task_nice(task) : 0;
	u32 i;

	if ((privileged || nice < 0) && !is_owner(p)) {
		privileged = false;
		nice = max(nice, 0);
	}

	for (i = 0; i < KFD_GPREEMPT_LEVELS; i++)
		level[i] = kfd_gpreempt_rank(i, nice, foreign, privileged);
}

static bool is_ranked(struct device_queue_manager *dqm)
{
	return READ_ONCE(dqm->gpreempt.params.val[KFD_GPREEMPT_RANK]);
}

/* Which levels have active queues? */
static u32 active_levels(struct device_queue_manager *dqm, bool on,
			 bool foreign)
{
	struct device_process_node *cur;
	u8 level[KFD_GPREEMPT_LEVELS];
	u32 i, levels = 0;

	list_for_each_entry(cur, &dqm->queues, list) {
		struct qcm_process_device *qpd = cur->qpd;

		if (!has_active_queues(qpd))
			continue;
		rank(qpd->pqm->process, on, foreign, level);
		for (i = 0; i < KFD_GPREEMPT_LEVELS; i++)
			if (!list_empty(&qpd->gpreempt_queues[i]))
				levels |= BIT(level[i]);
	}

	return levels;
}

/* CRIU restores whatever priority the image says */
static u32 own_priority(const struct queue *q)
{
	return min_t(u32, q->properties.priority, KFD_GPREEMPT_LEVELS - 1);
}

static bool is_in(const struct scan *look, const struct queue *q)
{
	return q->gpreempt.slot < look->n &&
	       look->sample[q->gpreempt.slot].id == q->gpreempt.id;
}

/* Keep with a queue what the look before saw of it, partly for debugfs alone */
static void remember(struct queue *q, const struct scan *prev)
{
	const struct scan_queue *sq = &prev->queue[q->gpreempt.slot];
	u64 pending = sq->wptr - sq->rptr;

	q->gpreempt.rptr = sq->rptr;
	if (!kfd_gpreempt_pending(sq->rptr, sq->wptr, sq->ring_bytes, sq->aql))
		pending = 0;
	else if (!sq->aql)
		pending &= sq->ring_bytes / sizeof(u32) - 1;
	q->gpreempt.pending = sq->known ? pending : KFD_GPREEMPT_UNKNOWN;
	q->gpreempt.waves = prev->counted ?
			    prev->sample[q->gpreempt.slot].waves :
			    KFD_GPREEMPT_UNKNOWN;
}

static void look_at(struct kfd_gpreempt_scan *scan, struct queue *q, u32 level)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct mqd_manager *mqd_mgr = dqm->mqd_mgrs[KFD_MQD_TYPE_CP];
	const struct scan *prev = &scan->prev;
	struct scan *now = &scan->now;
	struct kfd_gpreempt_sample *s;
	struct scan_queue *sq;

	/* It was reniced, or is new, between two halves of a look */
	if (is_in(now, q) || now->n == scan->capacity)
		return;

	s = &now->sample[now->n];
	sq = &now->queue[now->n];
	memset(s, 0, sizeof(*s));
	memset(sq, 0, sizeof(*sq));

	/* If a page is missing, the pointers are what they were */
	sq->prev = -1;
	sq->wptr = q->gpreempt.rptr;
	if (is_in(prev, q)) {
		sq->prev = q->gpreempt.slot;
		sq->wptr = prev->queue[sq->prev].wptr;
		remember(q, prev);
	}
	sq->last_rptr = q->gpreempt.rptr;
	sq->rptr = sq->last_rptr;
	q->gpreempt.slot = now->n++;

	s->id = q->gpreempt.id;
	s->since_ns = q->gpreempt.since_ns;
	s->priority = level;
	q->gpreempt.level = level;
	s->aged = q->gpreempt.aged;

	if (q->properties.is_active) {
		s->flags |= KFD_GPREEMPT_RUNS;
		if (!kfd_gpreempt_can_preempt(dqm, q))
			s->flags |= KFD_GPREEMPT_DISPLACEABLE;
		if (q->gpreempt.sliced)
			s->flags |= KFD_GPREEMPT_SLICE;
		/* Old if it is mapped, but then only until it is unmapped */
		if (scan->turns > 1 && mqd_mgr->has_saved_waves &&
		    mqd_mgr->has_saved_waves(mqd_mgr, q->mqd))
			s->flags |= KFD_GPREEMPT_SAVED;
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
	sq->ring_addr = (void __user *)q->properties.queue_address;
	sq->ring_bytes = q->properties.queue_size;
	sq->doorbell_off = q->properties.doorbell_off;
	sq->priority = q->properties.priority;
	sq->mm = scan->num_mm;
	sq->aql = q->properties.format == KFD_QUEUE_FORMAT_AQL;
	sq->cu_masked = q->properties.is_user_cu_masked;
}

/*
 * Take the queues of all levels but one into the look, or of that one alone,
 * under the DQM lock.
 */
static void look_at_all(struct kfd_gpreempt_scan *scan, int level, bool only)
{
	struct device_queue_manager *dqm = scan->dqm;
	bool on = scan->params.val[KFD_GPREEMPT_RANK];
	struct device_process_node *cur;
	u8 levels[KFD_GPREEMPT_LEVELS];
	bool holds = false;
	struct queue *q;
	u32 i;

	scan->num_mm = 0;

	list_for_each_entry(cur, &dqm->queues, list) {
		struct qcm_process_device *qpd = cur->qpd;
		unsigned int first = scan->now.n;

		if (!has_active_queues(qpd) && !dqm->gpreempt.holds)
			continue;
		rank(qpd->pqm->process, on, scan->foreign, levels);

		for (i = 0; i < KFD_GPREEMPT_LEVELS; i++) {
			bool is_that = levels[i] == level;

			if (is_that != only && (only || !scan->prev.full))
				continue;
			list_for_each_entry(q, &qpd->gpreempt_queues[i],
					    gpreempt.node) {
				if (is_that == only)
					look_at(scan, q, levels[i]);
				else if (is_in(&scan->prev, q))
					remember(q, &scan->prev);
			}
		}

		if (dqm->gpreempt.holds) {
			list_for_each_entry(q, &qpd->queues_list, list) {
				if (!is_held(q))
					continue;
				holds = true;
				look_at(scan, q, levels[own_priority(q)]);
			}
		}

		if (scan->now.n != first)
			scan->mm[scan->num_mm++] =
				kfd_gpreempt_get_mm(qpd->pqm->process);
	}

	dqm->gpreempt.holds = holds;
}

/* Without HWS a queue that cannot be mapped is not created */
static u32 turns_of_hws(struct device_queue_manager *dqm)
{
	if (dqm->sched_policy == KFD_SCHED_POLICY_NO_HWS)
		return 1;

	return max3(1U, DIV_ROUND_UP(dqm->active_cp_queue_count,
				     get_cp_queues_num(dqm)),
		    DIV_ROUND_UP(dqm->processes_count,
				 max(1U, dqm->dev->max_proc_per_quantum)));
}

/*
 * Collect the queues, under the DQM lock. Returns -EAGAIN if there is nothing
 * to do until a queue event, with the monitor marked idle, or -ENOSPC if @need
 * queues do not fit.
 */
static int collect(struct kfd_gpreempt_scan *scan, unsigned int *need)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct scan *now = &scan->now;
	u32 i, levels;
	bool on, turns;

	for (i = 0; i < KFD_GPREEMPT_NUM_PARAMS; i++)
		scan->params.val[i] = READ_ONCE(dqm->gpreempt.params.val[i]);
	scan->params.capacity = get_cp_queues_num(dqm);
	on = scan->params.val[KFD_GPREEMPT_RANK];
	turns = scan->params.val[KFD_GPREEMPT_TURN_US] &&
		dqm->active_cp_queue_count > scan->params.capacity;
	scan->turns = turns_of_hws(dqm);

	scan->left_out = -1;
	scan->num_mm = 0;
	now->n = 0;
	now->counted = false;
	now->room = false;
	now->sliced = false;

	scan->foreign = on && is_shared(dqm);
	levels = active_levels(dqm, on, scan->foreign);
	if (!dqm->gpreempt.holds && !turns && hweight32(levels) < 2) {
		WRITE_ONCE(dqm->gpreempt.idle, true);
		/* What happens meanwhile happens unseen, and inverts nothing */
		scan->prev.ns = 0;
		return -EAGAIN;
	}

	*need = dqm->total_queue_count;
	if (*need > scan->capacity)
		return -ENOSPC;
	if (!kfd_gpreempt_ready(dqm))
		return 0;

	/* See struct kfd_gpreempt_sample for what the lowest level can do */
	if (!dqm->gpreempt.holds && !scan->prev.sliced && !turns &&
	    scan->params.val[KFD_GPREEMPT_POLICY] == KFD_GPREEMPT_POLICY_STRICT)
		scan->left_out = __ffs(levels);
	look_at_all(scan, scan->left_out, false);

	return 0;
}

/*
 * What waits for a signal that a lower queue has to send must not keep that one
 * off until it looks blocked. A program that lies about it only waits longer.
 */
static bool is_barrier_next(struct scan_queue *sq)
{
	u16 header;

	if (!sq->aql ||
	    !kfd_gpreempt_pending(sq->rptr, sq->wptr, sq->ring_bytes, true) ||
	    copy_from_user_nofault(&header, sq->ring_addr + sq->rptr *
				   AQL_PACKET_BYTES % sq->ring_bytes,
				   sizeof(header)))
		return false;

	return AQL_TYPE(header) == AQL_BARRIER_AND ||
	       AQL_TYPE(header) == AQL_BARRIER_OR;
}

static void read_pointers(struct scan_queue *sq)
{
	struct kfd_gpreempt_pointers ptrs = {
		.rptr_addr = sq->rptr_addr,
		.wptr_addr = sq->wptr_addr,
		.aql = sq->aql,
	};

	sq->known = kfd_gpreempt_read_pointers(&ptrs);
	if (sq->known) {
		sq->rptr = ptrs.rptr;
		sq->wptr = ptrs.wptr;
		sq->waits = is_barrier_next(sq);
	}
}

/* Visit each process once, and drop the references to them */
static void read_all_pointers(struct kfd_gpreempt_scan *scan, unsigned int i)
{
	struct scan *now = &scan->now;
	unsigned int m;

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

static void judge_idle(const struct scan *prev, struct kfd_gpreempt_sample *s,
		       struct scan_queue *sq)
{
	const struct kfd_gpreempt_sample *ps = &prev->sample[sq->prev];
	const struct scan_queue *psq = &prev->queue[sq->prev];

	if (!sq->known || sq->wptr != psq->wptr ||
	    kfd_gpreempt_has_work(ps) ||
	    !(prev->counted || (ps->flags & KFD_GPREEMPT_QUIET)))
		return;

	sq->idle = psq->idle + 1;
	if (sq->idle >= QUIET_LOOKS &&
	    (!sq->unplaced || sq->idle % RECHECK_LOOKS))
		s->flags |= KFD_GPREEMPT_QUIET;
}

/* While it is mapped, such a packet is gone at the next look if nothing is missing */
static bool waits(const struct scan_queue *sq, u32 turns)
{
	return sq->waits && turns == 1;
}

static void judge_stalled(const struct scan *prev,
			  struct kfd_gpreempt_sample *s, struct scan_queue *sq,
			  u32 turns, u64 now_ns)
{
	u64 blocked_ns = waits(sq, turns) ? 0 :
			 (u64)turns * BLOCKED_MS * NSEC_PER_MSEC;
	const struct kfd_gpreempt_sample *ps = &prev->sample[sq->prev];
	const struct scan_queue *psq = &prev->queue[sq->prev];

	if (!(s->flags & KFD_GPREEMPT_PENDING))
		return;

	sq->stalled_ns = psq->stalled_ns ?: now_ns;
	sq->unused = psq->unused;
	if (ps->flags & KFD_GPREEMPT_BLOCKED)
		s->flags |= KFD_GPREEMPT_BLOCKED;
	else if (now_ns - sq->stalled_ns >= blocked_ns)
		s->flags |= KFD_GPREEMPT_STALLED;
}

/*
 * Compare with the look before. A queue that was not in that has the read
 * pointer that it had when it was last seen, or 0: what it has started since
 * is not known to have ended.
 */
static void judge_moves(const struct scan *prev, struct kfd_gpreempt_sample *s,
			struct scan_queue *sq, u32 turns, u64 now_ns)
{
	const struct kfd_gpreempt_sample *ps;
	const struct scan_queue *psq;

	sq->moved = sq->rptr != sq->last_rptr;
	sq->unplaced = sq->rptr;
	if (sq->moved)
		s->flags |= KFD_GPREEMPT_STARTED;
	if (sq->prev < 0)
		return;

	ps = &prev->sample[sq->prev];
	psq = &prev->queue[sq->prev];
	sq->unplaced = psq->unplaced || sq->moved ||
		       ps->since_ns != s->since_ns;
	s->work_ns = ps->work_ns;

	/*
	 * Twice, for just after a new runlist nothing has its waves back. And
	 * it cannot have got what it waits for in a slice, or unmapped.
	 */
	if (psq->moved ||
	    ((ps->flags & KFD_GPREEMPT_STARTED) &&
	     (prev->sliced || !(ps->flags & KFD_GPREEMPT_RUNS))))
		s->flags |= KFD_GPREEMPT_STARTED;

	if (sq->moved || !(s->flags & ps->flags & KFD_GPREEMPT_RUNS) ||
	    ps->since_ns != s->since_ns)
		return;

	judge_stalled(prev, s, sq, turns, now_ns);
	judge_idle(prev, s, sq);
}

static void judge_pointers(struct kfd_gpreempt_scan *scan, unsigned int i,
			   u64 now_ns)
{
	struct scan *now = &scan->now;

	for (; i < now->n; i++) {
		struct kfd_gpreempt_sample *s = &now->sample[i];
		struct scan_queue *sq = &now->queue[i];

		if ((s->flags & (KFD_GPREEMPT_RUNS | KFD_GPREEMPT_SAVED)) &&
		    kfd_gpreempt_pending(sq->rptr, sq->wptr, sq->ring_bytes,
					 sq->aql))
			s->flags |= KFD_GPREEMPT_PENDING;
		judge_moves(&scan->prev, s, sq, scan->turns, now_ns);
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
	for (j = 0; j < now->n; j++)
		now->sample[j].waves = 0;
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
static void judge_waves(struct kfd_gpreempt_scan *scan, u64 now_ns)
{
	struct scan *now = &scan->now;
	unsigned int i;

	for (i = 0; now->counted && i < now->n; i++) {
		struct kfd_gpreempt_sample *s = &now->sample[i];
		struct scan_queue *sq = &now->queue[i];

		bool room = now->room && !sq->cu_masked;
		u32 looks = waits(sq, scan->turns) ? BARRIER_LOOKS :
						     BLOCKED_LOOKS;

		/*
		 * What was started and had room is in flight, or has ended.
		 * Unless its own CUs are full; which they are is not known.
		 */
		if (room && scan->turns == 1)
			s->flags &= ~KFD_GPREEMPT_STARTED;
		/*
		 * Just after a new runlist there is room, for no waves are back.
		 * Of a queue that is unmapped later the MQD will tell.
		 */
		if ((room || scan->turns > 1) && sq->idle >= QUIET_LOOKS - 1)
			sq->unplaced = false;

		if (!(s->flags & (KFD_GPREEMPT_STALLED | KFD_GPREEMPT_BLOCKED)))
			continue;

		if (s->waves) {
			s->flags &= ~KFD_GPREEMPT_BLOCKED;
			sq->stalled_ns = now_ns;
			sq->unused = 0;
		} else if (now->room && ++sq->unused >= looks) {
			s->flags |= KFD_GPREEMPT_BLOCKED;
		}
	}
}

/* Find the queues again that something is to be done with */
static unsigned int make_steps(struct kfd_gpreempt_scan *scan)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct device_process_node *cur;
	unsigned int n = 0;
	struct queue *q;

	list_for_each_entry(cur, &dqm->queues, list) {
		list_for_each_entry(q, &cur->qpd->queues_list, list) {
			const struct kfd_gpreempt_sample *s;
			enum kfd_gpreempt_decision decision;
			struct kfd_gpreempt_step *step;
			bool preempt;

			if (!is_in(&scan->now, q))
				continue;

			s = &scan->now.sample[q->gpreempt.slot];
			decision = scan->decision[q->gpreempt.slot];
			preempt = decision == KFD_GPREEMPT_PREEMPT;
			if (decision == KFD_GPREEMPT_KEEP ||
			    scan->now.queue[q->gpreempt.slot].priority !=
			    q->properties.priority ||
			    preempt == is_held(q))
				continue;

			step = &scan->step[n++];
			memset(step, 0, sizeof(*step));
			step->q = q;
			step->holder = KFD_GPREEMPT_HOLD_MONITOR;
			step->preempt = preempt;
			step->level = s->level;
			step->slice = decision == KFD_GPREEMPT_RESUME_SLICE;
			step->had_work = true;
			dqm->gpreempt.holds |= preempt;
			if (preempt)
				step->reason = kfd_gpreempt_why(scan->winner, s);
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
	dev_err(dqm->dev->adev->dev,
		"GPREEMPT: %s on node %u did not answer a request to preempt in time. Priority preemption is off there until it is enabled again\n",
		what, dqm->dev->node_id);
	trace_gpreempt_giveup(dqm, what);
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
	kfd_gpreempt_trace_inversion(dqm, scan->winner, scan->step, n,
				     scan->prev.ns ?
				     scan->now.ns - scan->prev.ns : 0);
	r = kfd_gpreempt_execute(dqm, scan->step, n);
	for (i = 0; i < n; i++)
		if (scan->step[i].err == -ETIME)
			what = "a compute queue";
	if (r == -ETIME)
		what = "the scheduler firmware";
	/* Under the lock: who turns it on after that is not overruled */
	if (what)
		WRITE_ONCE(dqm->gpreempt.enabled, false);
	dqm_unlock(dqm);

	/* Any other error passes, or concerns one queue: see at the next tick */
	if (what)
		give_up(dqm, what);
}

/*
 * Do the queues of the levels above the lowest one leave it alone? It is not in
 * the look yet, and takes no time if so.
 */
static bool are_quiet(struct kfd_gpreempt_scan *scan, u64 now_ns)
{
	struct scan *now = &scan->now;
	bool quiet = true;
	unsigned int i;

	for (i = 0; i < now->n; i++) {
		if (kfd_gpreempt_has_work(&now->sample[i]) ||
		    (now->sample[i].flags & KFD_GPREEMPT_STARTED))
			return false;
		quiet &= !!(now->sample[i].flags & KFD_GPREEMPT_QUIET);
	}
	if (quiet)
		return true;

	count_waves(scan);
	for (i = 0; i < now->n; i++)
		if (now->sample[i].waves)
			return false;
	judge_waves(scan, now_ns);

	return true;
}

/* Complete a look that left out the lowest level */
static void look_at_rest(struct kfd_gpreempt_scan *scan)
{
	struct device_queue_manager *dqm = scan->dqm;
	unsigned int first = scan->now.n;

	dqm_lock(dqm);
	look_at_all(scan, scan->left_out, true);
	dqm_unlock(dqm);

	read_all_pointers(scan, first);
	judge_pointers(scan, first, ktime_get_ns());
	scan->now.full = true;
	scan->now.counted = false;
}

static void decide(struct kfd_gpreempt_scan *scan, u64 now_ns)
{
	struct kfd_gpreempt *gp = &scan->dqm->gpreempt;
	struct scan *now = &scan->now;
	unsigned int i;

	if (kfd_gpreempt_needs_waves(&scan->params, now->sample, now->n,
				     now_ns)) {
		count_waves(scan);
		judge_waves(scan, now_ns);
	}

	for (i = 0; i < now->n; i++) {
		struct kfd_gpreempt_sample *s = &now->sample[i];

		if ((s->flags & KFD_GPREEMPT_RUNS) && kfd_gpreempt_has_work(s))
			s->work_ns = now_ns;
		now->sliced |= kfd_gpreempt_in_slice(&scan->params, s, now_ns);
	}

	if (kfd_gpreempt_decide(&scan->params, now->sample, now->n, now_ns,
				scan->decision)) {
		WRITE_ONCE(gp->inversions, gp->inversions + 1);
		/* If that was for the sake of what was started, it was work */
		for (i = 0; i < now->n; i++)
			if (now->sample[i].flags & KFD_GPREEMPT_STARTED)
				now->sample[i].work_ns = now_ns;
	}
	scan->winner = kfd_gpreempt_winner(now->sample, now->n, scan->decision);
}

/* Look at the queues. Returns true if something is to be done */
static bool look(struct kfd_gpreempt_scan *scan)
{
	struct device_queue_manager *dqm = scan->dqm;
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	struct scan *now = &scan->now;
	unsigned int i, need;
	u64 now_ns;
	int r;

	do {
		dqm_lock(dqm);
		r = collect(scan, &need);
		dqm_unlock(dqm);
	} while (r == -ENOSPC && !alloc_buffers(scan, need));
	if (r)
		return false;

	WRITE_ONCE(gp->ticks, gp->ticks + 1);

	read_all_pointers(scan, 0);
	now_ns = ktime_get_ns();
	now->ns = now_ns;
	judge_pointers(scan, 0, now_ns);
	now->full = scan->left_out < 0;
	if (!now->full) {
		if (are_quiet(scan, now_ns))
			return false;
		look_at_rest(scan);
	}
	decide(scan, now_ns);

	for (i = 0; i < now->n; i++)
		if (scan->decision[i] != KFD_GPREEMPT_KEEP)
			return true;

	return false;
}

static void tick(struct kfd_gpreempt_scan *scan)
{
	struct kfd_gpreempt *gp = &scan->dqm->gpreempt;
	u64 start_ns = ktime_get_ns();
	bool todo;

	todo = look(scan);
	WRITE_ONCE(gp->tick_ns, gp->tick_ns + ktime_get_ns() - start_ns);
	if (todo)
		act(scan);

	/* Not if it came to nothing */
	if (scan->now.n)
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

		WRITE_ONCE(gp->wakeups, gp->wakeups + 1);
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

	/* Without wave counts a long dispatch would look like no work */
	if (!dqm->dev->kfd->cwsr_enabled || !KFD_IS_SOC15(dqm->dev) ||
	    !dqm->dev->kfd2kgd->get_cu_occupancy ||
	    !dqm->mqd_mgrs[KFD_MQD_TYPE_CP]->checkpoint_mqd)
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

	dqm_lock(dqm);
	WRITE_ONCE(gp->idle, false);
	WRITE_ONCE(gp->enabled, true);
	dqm_unlock(dqm);
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
 */
void kfd_gpreempt_monitor_init(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;

	mutex_init(&gp->ctl);
	init_waitqueue_head(&gp->wait);
	gp->next_rank = jiffies;
	kfd_gpreempt_params_init(&gp->params);
}

/**
 * kfd_gpreempt_monitor_start - start the monitor if it is to run from the start
 * @dqm: the device, with its gpu_id
 */
void kfd_gpreempt_monitor_start(struct device_queue_manager *dqm)
{
	int r;

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
 * kfd_gpreempt_process_init - prepare a process for its first queue
 * @qpd: the process on a device, with its pqm
 */
void kfd_gpreempt_process_init(struct qcm_process_device *qpd)
{
	unsigned int i;

	for (i = 0; i < KFD_GPREEMPT_LEVELS; i++)
		INIT_LIST_HEAD(&qpd->gpreempt_queues[i]);
	qpd->gpreempt_uid = task_uid(qpd->pqm->process->lead_thread);
}

/* Out of the sleep without timer; costs nothing otherwise */
static void wake(struct kfd_gpreempt *gp)
{
	if (READ_ONCE(gp->idle)) {
		WRITE_ONCE(gp->idle, false);
		wake_up(&gp->wait);
	}
}

/**
 * kfd_gpreempt_queue_event - a queue becomes active or inactive, or changes
 * @dqm: its device
 * @qpd: its process there
 * @q: the queue
 * @active: it is active from now on
 *
 * Updates of queues do not make the monitor look more often, they only get it
 * out of its sleep.
 *
 * Context: under the DQM lock.
 */
void kfd_gpreempt_queue_event(struct device_queue_manager *dqm,
			      struct qcm_process_device *qpd, struct queue *q,
			      bool active)
{
	if (q->properties.type != KFD_QUEUE_TYPE_COMPUTE)
		return;

	list_del_init(&q->gpreempt.node);
	if (active)
		list_add_tail(&q->gpreempt.node,
			      &qpd->gpreempt_queues[own_priority(q)]);
	/* Also if it goes: one user less can mean one level more */
	wake(&dqm->gpreempt);
}

/**
 * kfd_gpreempt_activity - the device has sent an interrupt
 * @dqm: the device
 *
 * Nothing tells the driver that a process was reniced. While the monitor sleeps
 * because all levels are the same, see now and then whether they still are, but
 * only if the device is in use.
 *
 * Context: process context, not under the DQM lock.
 */
void kfd_gpreempt_activity(struct device_queue_manager *dqm)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	bool on;

	if (!READ_ONCE(gp->enabled) || !READ_ONCE(gp->idle) ||
	    time_before(jiffies, READ_ONCE(gp->next_rank)))
		return;

	/* An interrupt must not wait for a preemption */
	if (!dqm_trylock(dqm))
		return;
	WRITE_ONCE(gp->next_rank, jiffies + msecs_to_jiffies(RANK_MS));
	on = is_ranked(dqm);
	if (hweight32(active_levels(dqm, on, on && is_shared(dqm))) > 1)
		wake(gp);
	dqm_unlock(dqm);
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
 * -EOPNOTSUPP without CWSR or wave counts; -ENOMEM; -EINTR or what a resume returned, with
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

		/* It counts at once, and may be a reason to look again */
		dqm_lock(dqm);
		WRITE_ONCE(gp->params.val[param], value);
		WRITE_ONCE(gp->idle, false);
		wake_up(&gp->wait);
		dqm_unlock(dqm);
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
