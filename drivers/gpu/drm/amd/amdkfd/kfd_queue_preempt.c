// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The mechanism of GPREEMPT: take user compute queues off the hardware with
 * their waves saved, keep a snapshot, put them back.
 *
 * ACTIVE -> PREEMPTING -> PREEMPTED -> RESUMING -> ACTIVE, under the DQM lock.
 * properties.is_preempted is part of QUEUE_IS_ACTIVE(), so eviction, update,
 * suspend and the runlist leave a preempted queue where it is.
 *
 * A preemption takes the queue off, makes sure that it went, and copies the
 * MQDs and control stacks of all XCCs then: it is the save that fills them. A
 * resume writes them back, brings them up to date with the properties, which
 * may have changed meanwhile, and maps the queue. The ring, its pointers and
 * the doorbell belong to the process and are not touched.
 *
 * A queue that is not mapped for another reason (evicted, suspended, disabled)
 * has its state in memory already, and is preempted without the hardware. It
 * comes back when neither reason is left.
 */

#include <linux/rwsem.h>
#include <linux/slab.h>
#include <drm/drm_drv.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_kernel_queue.h"
#include "kfd_mqd_manager.h"
#include "kfd_gpreempt.h"
#include "kfd_gpreempt_trace.h"
#include "amdgpu_reset.h"

/**
 * struct kfd_preempt_ops - how one scheduling mode moves queues
 * @off: take the queues of all steps with @hw that preempt off the hardware.
 *	Sets the err of a step whose queue is still there, as a whole, or is
 *	inactive now without a save. An error is returned if it concerns all
 *	steps; nothing has changed then.
 * @on: put the queues of all steps with @hw that resume back, with MQD and
 *	accounting ready. Sets the err of a step whose queue is not there; its
 *	MQD says what has to be put back later. An error is returned if it
 *	concerns all steps.
 */
struct kfd_preempt_ops {
	int (*off)(struct device_queue_manager *dqm,
		   struct kfd_gpreempt_step *steps, unsigned int n);
	int (*on)(struct device_queue_manager *dqm,
		  struct kfd_gpreempt_step *steps, unsigned int n);
};

static struct mqd_manager *cp_mqd_mgr(struct device_queue_manager *dqm)
{
	return dqm->mqd_mgrs[KFD_MQD_TYPE_CP];
}

/* Has the hardware to be touched for this step, still? */
static bool is_todo(const struct kfd_gpreempt_step *step, bool preempt)
{
	return step->hw && !step->err && step->preempt == preempt;
}

/* Of all devices, for the close of a file */
static LIST_HEAD(devices);
static DECLARE_RWSEM(devices_lock);

/* How soon what could not be mapped is tried again, ms */
#define REPAIR_MS	20

static void repair_later(struct device_queue_manager *dqm)
{
	/* Processes do not survive the reset that is needed then */
	if (dqm->is_hws_hang)
		return;

	queue_delayed_work(system_freezable_wq, &dqm->gpreempt.repair,
			   msecs_to_jiffies(REPAIR_MS));
}

/* HWS: the firmware changes all queues of a device at once */

static void took(struct kfd_gpreempt_step *steps, unsigned int n, bool preempt,
		 u64 start_ns)
{
	u64 ns = ktime_get_ns() - start_ns;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (is_todo(&steps[i], preempt))
			steps[i].took_ns = ns;
}

static int off_hws(struct device_queue_manager *dqm,
		   struct kfd_gpreempt_step *steps, unsigned int n)
{
	u64 start_ns = ktime_get_ns();
	unsigned int i;
	int r;

	r = kfd_dqm_unmap_runlist(dqm);
	took(steps, n, true, start_ns);
	if (r)
		return r;

	/*
	 * A queue that does not answer is reset on the way, if the hardware
	 * can. It is not active any more, and there is nothing to save.
	 */
	for (i = 0; i < n; i++)
		if (is_todo(&steps[i], true) &&
		    !steps[i].q->properties.is_active)
			steps[i].err = -ETIME;

	return 0;
}

static int on_hws(struct device_queue_manager *dqm,
		  struct kfd_gpreempt_step *steps, unsigned int n)
{
	u64 start_ns = ktime_get_ns();
	int r;

	r = kfd_dqm_map_runlist(dqm);
	took(steps, n, false, start_ns);

	return r;
}

static const struct kfd_preempt_ops ops_hws = {
	.off = off_hws,
	.on = on_hws,
};

/* No HWS: the driver knows the HQD of each queue */

/*
 * No hqd_load() of a device with CWSR looks at the memory of the process, so
 * none is needed that may have died (a main thread that exited has none).
 */
static int load_queue(struct device_queue_manager *dqm, struct queue *q)
{
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);

	return mqd_mgr->load_mqd(mqd_mgr, q->mqd, q->pipe, q->queue,
				 &q->properties, NULL);
}

static int dequeue(struct device_queue_manager *dqm, struct queue *q,
		   enum kfd_preempt_type type, u32 timeout_ms)
{
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);

	return mqd_mgr->destroy_mqd(mqd_mgr, q->mqd, type, timeout_ms, q->pipe,
				    q->queue);
}

/*
 * Two requests of KFD_UNMAP_LATENCY_MS at most: together they hold the DQM lock
 * for no longer than queue_preemption_timeout_ms.
 */
static int off_queue(struct device_queue_manager *dqm,
		     const struct kfd_gpreempt_step *step)
{
	enum kfd_preempt_type type = KFD_PREEMPT_TYPE_WAVEFRONT_SAVE;
	u32 timeout_ms = KFD_UNMAP_LATENCY_MS;
	struct queue *q = step->q;
	int r;

	if (step->drain_ms) {
		type = KFD_PREEMPT_TYPE_WAVEFRONT_DRAIN;
		timeout_ms = min(timeout_ms, step->drain_ms);
	}

	r = dequeue(dqm, q, type, timeout_ms);
	if (r != -ETIME)
		return r;

	/*
	 * The request cannot be withdrawn, and each XCC leaves when it can. Ask
	 * all for a save now: a queue that is off as a whole is in order.
	 */
	r = dequeue(dqm, q, KFD_PREEMPT_TYPE_WAVEFRONT_SAVE,
		    KFD_UNMAP_LATENCY_MS);
	if (!r && !step->drain_ms)
		return 0;

	/*
	 * Not drained, so let the waves go on. Or not even saved: then the queue
	 * stays active, as in update_queue(), for the next one to take it off.
	 */
	if (!r)
		load_queue(dqm, q);

	return -ETIME;
}

static int off_nohws(struct device_queue_manager *dqm,
		     struct kfd_gpreempt_step *steps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		u64 start_ns = ktime_get_ns();

		if (!is_todo(&steps[i], true))
			continue;
		steps[i].err = off_queue(dqm, &steps[i]);
		steps[i].took_ns = ktime_get_ns() - start_ns;
	}

	return 0;
}

static int on_nohws(struct device_queue_manager *dqm,
		    struct kfd_gpreempt_step *steps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct kfd_gpreempt_step *step = &steps[i];
		u64 start_ns = ktime_get_ns();

		/* Something else may keep it off by now */
		if (!is_todo(step, false) || !step->q->properties.is_active)
			continue;

		step->err = load_queue(dqm, step->q);
		if (step->err)
			/* The XCCs before the one that failed have it */
			dequeue(dqm, step->q, KFD_PREEMPT_TYPE_WAVEFRONT_SAVE,
				KFD_UNMAP_LATENCY_MS);
		step->took_ns = ktime_get_ns() - start_ns;
	}

	return 0;
}

static const struct kfd_preempt_ops ops_nohws = {
	.off = off_nohws,
	.on = on_nohws,
};

/* MES: the firmware takes and gives back one queue at a time */

static int off_mes(struct device_queue_manager *dqm,
		   struct kfd_gpreempt_step *steps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		u64 start_ns = ktime_get_ns();

		if (!is_todo(&steps[i], true))
			continue;
		steps[i].err = kfd_dqm_map_queue_mes(dqm, steps[i].q, false);
		steps[i].took_ns = ktime_get_ns() - start_ns;
	}

	return 0;
}

static int on_mes(struct device_queue_manager *dqm,
		  struct kfd_gpreempt_step *steps, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		u64 start_ns = ktime_get_ns();

		if (!is_todo(&steps[i], false) ||
		    !steps[i].q->properties.is_active)
			continue;
		steps[i].err = kfd_dqm_map_queue_mes(dqm, steps[i].q, true);
		steps[i].took_ns = ktime_get_ns() - start_ns;
	}

	return 0;
}

static const struct kfd_preempt_ops ops_mes = {
	.off = off_mes,
	.on = on_mes,
};

static const struct kfd_preempt_ops *get_ops(struct device_queue_manager *dqm)
{
	if (dqm->sched_policy == KFD_SCHED_POLICY_NO_HWS)
		return &ops_nohws;

	return dqm->dev->kfd->shared_resources.enable_mes ? &ops_mes : &ops_hws;
}

/**
 * kfd_gpreempt_queue_init - prepare a queue to be preempted some day
 * @q: a new queue, with properties and device
 *
 * Allocates the snapshot here because none may be allocated under the DQM
 * lock. A queue that cannot be preempted, or for which there is no memory, is
 * left without, and works like any other.
 *
 * Context: process context, not under the DQM lock.
 */
void kfd_gpreempt_queue_init(struct queue *q)
{
	struct kfd_queue_snapshot *snapshot = &q->gpreempt.snapshot;
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(q->device->dqm);
	static atomic64_t last_id;
	size_t mqd_size, ctl_stack_size = 0;

	q->gpreempt.id = atomic64_inc_return(&last_id);
	INIT_LIST_HEAD(&q->gpreempt.node);
	q->gpreempt.level = min_t(u32, q->properties.priority,
				  KFD_GPREEMPT_LEVELS - 1);
	q->gpreempt.pending = KFD_GPREEMPT_UNKNOWN;
	q->gpreempt.waves = KFD_GPREEMPT_UNKNOWN;

	if (q->properties.type != KFD_QUEUE_TYPE_COMPUTE ||
	    !KFD_IS_SOC15(q->device) || !q->device->kfd->cwsr_enabled ||
	    !q->properties.ctx_save_restore_area_address ||
	    !mqd_mgr->checkpoint_mqd || !mqd_mgr->restore_mqd)
		return;

	mqd_size = mqd_size_from_queue_type(q->device->dqm, q->properties.type);
	if (mqd_mgr->get_checkpoint_info)
		ctl_stack_size = (size_t)PAGE_ALIGN(q->device->ctl_stack_size) *
				 NUM_XCC(q->device->xcc_mask);

	snapshot->mqd_backup = kvzalloc(mqd_size + ctl_stack_size,
					GFP_KERNEL_ACCOUNT);
	if (!snapshot->mqd_backup)
		return;
	snapshot->ctl_stack_backup = snapshot->mqd_backup + mqd_size;
	snapshot->ctl_stack_capacity = ctl_stack_size;
}

/**
 * kfd_gpreempt_queue_uninit - free what kfd_gpreempt_queue_init() allocated
 * @q: a queue that no list holds any more
 */
void kfd_gpreempt_queue_uninit(struct queue *q)
{
	kvfree(q->gpreempt.snapshot.mqd_backup);
}

/* The queue must be off the hardware */
static int take_snapshot(struct device_queue_manager *dqm, struct queue *q)
{
	struct kfd_queue_snapshot *snapshot = &q->gpreempt.snapshot;
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);
	u32 ctl_stack_size = 0;

	if (mqd_mgr->get_checkpoint_info)
		mqd_mgr->get_checkpoint_info(mqd_mgr, q->mqd, &ctl_stack_size);
	if (WARN_ON_ONCE(ctl_stack_size > snapshot->ctl_stack_capacity))
		return -EIO;

	mqd_mgr->checkpoint_mqd(mqd_mgr, q->mqd, snapshot->mqd_backup,
				snapshot->ctl_stack_backup);
	snapshot->ctl_stack_size = ctl_stack_size;
	snapshot->valid = true;

	return 0;
}

/**
 * kfd_gpreempt_queue_updated - the driver has changed the MQD of a queue
 * @dqm: the device
 * @qpd: its process there
 * @q: the queue
 *
 * What update_mqd() got besides the properties (the CU mask, GWS) is in the
 * MQD alone. Take it over, for a resume starts from the snapshot.
 *
 * Context: under the DQM lock.
 */
void kfd_gpreempt_queue_updated(struct device_queue_manager *dqm,
				struct qcm_process_device *qpd,
				struct queue *q)
{
	if (q->properties.is_preempted)
		take_snapshot(dqm, q);
	else if (q->properties.is_active)
		kfd_gpreempt_queue_event(dqm, qpd, q, true);
}

/**
 * kfd_gpreempt_would_run - is preemption all that keeps a queue from running?
 * @q: the queue
 *
 * Context: under the DQM lock.
 * Return: true if it is or would be active without.
 */
bool kfd_gpreempt_would_run(const struct queue *q)
{
	struct queue_properties p = q->properties;

	p.is_preempted = false;

	return QUEUE_IS_ACTIVE(p);
}

/* MQD, properties and accounting of a queue that is off the hardware */

static int mark_preempted(struct device_queue_manager *dqm, struct queue *q)
{
	int r;

	r = take_snapshot(dqm, q);
	if (r)
		return r;

	q->properties.is_preempted = true;
	if (q->properties.is_active) {
		q->properties.is_active = false;
		kfd_dqm_count_queue(dqm, q, false);
	}

	return 0;
}

static void mark_resumed(struct device_queue_manager *dqm, struct queue *q)
{
	struct kfd_queue_snapshot *snapshot = &q->gpreempt.snapshot;
	struct mqd_manager *mqd_mgr = cp_mqd_mgr(dqm);

	mqd_mgr->restore_mqd(mqd_mgr, &q->mqd, q->mqd_mem_obj,
			     &q->gart_mqd_addr, &q->properties,
			     snapshot->mqd_backup, snapshot->ctl_stack_backup,
			     snapshot->ctl_stack_size);
	snapshot->valid = false;
	q->properties.is_preempted = false;

	/* Also recomputes is_active */
	mqd_mgr->update_mqd(mqd_mgr, q->mqd, &q->properties, NULL);
	if (q->properties.is_active)
		kfd_dqm_count_queue(dqm, q, true);
}

/*
 * kfd_hws_hang() has asked for a reset, which waits for the DQM lock. Firmware
 * would let every further request run into its time-out.
 */
static bool is_reset_due(struct device_queue_manager *dqm)
{
	return dqm->sched_policy != KFD_SCHED_POLICY_NO_HWS &&
	       (work_busy(&dqm->hw_exception_work) ||
		work_busy(&dqm->dev->adev->kfd.reset_work));
}

/**
 * kfd_gpreempt_ready - can queues of a device be moved now?
 * @dqm: the device
 *
 * Context: under the DQM lock.
 * Return: false while it is suspended, about to be reset, in reset, hung or
 * gone.
 */
bool kfd_gpreempt_ready(struct device_queue_manager *dqm)
{
	struct amdgpu_device *adev = dqm->dev->adev;

	if (!dqm->sched_running || dqm->is_hws_hang || is_reset_due(dqm) ||
	    drm_dev_is_unplugged(adev_to_drm(adev)))
		return false;

	/* MES has no runlist that would come back when it is unhalted */
	if (dqm->sched_halt && dqm->dev->kfd->shared_resources.enable_mes)
		return false;

	if (!down_read_trylock(&adev->reset_domain->sem))
		return false;
	up_read(&adev->reset_domain->sem);

	return true;
}

/**
 * kfd_gpreempt_can_preempt - could this queue be preempted?
 * @dqm: the device
 * @q: one of its queues
 *
 * Context: under the DQM lock.
 * Return: 0, -EOPNOTSUPP for one that never can, -EBUSY for one that is being
 * destroyed, -EIO for one that was reset.
 */
int kfd_gpreempt_can_preempt(struct device_queue_manager *dqm,
			     struct queue *q)
{
	if (q->properties.type != KFD_QUEUE_TYPE_COMPUTE ||
	    q->properties.is_gws || q->gws ||
	    !q->gpreempt.snapshot.mqd_backup)
		return -EOPNOTSUPP;

	if (q->properties.is_being_destroyed)
		return -EBUSY;

	/* Inactive for no reason: a reset took it off, without a save */
	if (!q->properties.is_active && QUEUE_IS_ACTIVE(q->properties))
		return -EIO;

	return 0;
}

static enum kfd_gpreempt_reason reason_of(const struct kfd_gpreempt_step *step)
{
	bool monitor = step->holder == KFD_GPREEMPT_HOLD_MONITOR;

	if (step->reason)
		return step->reason;
	if (step->preempt)
		return monitor ? KFD_GPREEMPT_REASON_HIGHER :
		       step->drain_ms ? KFD_GPREEMPT_REASON_DRAIN :
					KFD_GPREEMPT_REASON_SAVE;

	return !monitor ? KFD_GPREEMPT_REASON_RESUME :
	       step->slice ? KFD_GPREEMPT_REASON_STARVED :
			     KFD_GPREEMPT_REASON_HOLDOFF;
}

/* Does this step need more than a change of holders? */
static bool prepare(struct device_queue_manager *dqm,
		    struct kfd_gpreempt_step *step)
{
	struct queue *q = step->q;

	step->hw = false;
	step->took_ns = 0;
	step->err = 0;
	step->reason = reason_of(step);

	/* What one file holds, no other one takes over or lets go of */
	if (step->file && q->gpreempt.file && step->file != q->gpreempt.file) {
		step->err = -EBUSY;
		return false;
	}

	if (step->preempt) {
		if (q->properties.is_preempted) {
			q->gpreempt.holders &= ~KFD_GPREEMPT_HOLD_NOBODY;
			q->gpreempt.holders |= step->holder;
			if (step->file)
				q->gpreempt.file = step->file;
			return false;
		}

		step->err = kfd_gpreempt_can_preempt(dqm, q);
		if (step->err)
			return false;

		step->hw = q->properties.is_active;
		q->gpreempt.state = KFD_GPREEMPT_STATE_PREEMPTING;
	} else {
		if (!(q->gpreempt.holders & step->holder))
			return false;

		if (q->gpreempt.holders != step->holder) {
			q->gpreempt.holders &= ~step->holder;
			if (step->holder == KFD_GPREEMPT_HOLD_IOCTL)
				q->gpreempt.file = NULL;
			return false;
		}

		step->hw = kfd_gpreempt_would_run(q);
		/* In memory it may: who destroys it can sleep for long */
		if (step->hw && q->properties.is_being_destroyed) {
			step->hw = false;
			step->err = -EBUSY;
			return false;
		}

		q->gpreempt.state = KFD_GPREEMPT_STATE_RESUMING;
	}

	return true;
}

static void count_ns(struct kfd_gpreempt_histogram *h, u64 ns)
{
	h->count[min(fls64(ns), KFD_GPREEMPT_BUCKETS - 1)]++;
}

/* A step has come to its end, this way or that */
static void finish(struct device_queue_manager *dqm,
		   struct kfd_gpreempt_step *step)
{
	struct queue *q = step->q;
	u64 now_ns = ktime_get_ns();
	u64 off_ns = now_ns - q->gpreempt.since_ns;

	if (step->preempt)
		trace_gpreempt_preempt(step);
	else
		trace_gpreempt_resume(step, off_ns);

	q->gpreempt.state = q->properties.is_preempted ?
			    KFD_GPREEMPT_STATE_PREEMPTED :
			    KFD_GPREEMPT_STATE_ACTIVE;
	if (step->err)
		return;

	q->gpreempt.since_ns = now_ns;
	q->gpreempt.reason = step->reason;
	if (step->preempt) {
		q->gpreempt.holders = step->holder;
		q->gpreempt.file = step->file;
		q->gpreempt.had_work = step->had_work;
		q->gpreempt.sliced = false;
		q->gpreempt.preemptions++;
		dqm->gpreempt.preemptions++;
		count_ns(&dqm->gpreempt.save_ns, step->took_ns);
	} else {
		q->gpreempt.holders = 0;
		q->gpreempt.file = NULL;
		q->gpreempt.sliced = step->slice;
		q->gpreempt.aged = step->level;
		dqm->gpreempt.resumes++;
		count_ns(&dqm->gpreempt.wait_ns, off_ns);
	}
}

/*
 * The map failed, so nothing of this device is on the hardware. Let all queues
 * be what they were before, which may need less of whatever was missing.
 */
static void roll_back(struct device_queue_manager *dqm,
		      struct kfd_gpreempt_step *steps, unsigned int n, int err)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (!steps[i].todo || steps[i].err)
			continue;

		if (steps[i].preempt)
			mark_resumed(dqm, steps[i].q);
		else
			mark_preempted(dqm, steps[i].q);
		steps[i].err = err;
	}
}

static int move_queues(struct device_queue_manager *dqm,
		       struct kfd_gpreempt_step *steps, unsigned int n, bool hw)
{
	const struct kfd_preempt_ops *ops = get_ops(dqm);
	unsigned int i;
	int r;

	if (hw) {
		r = ops->off(dqm, steps, n);
		if (r)
			return r;
	}

	for (i = 0; i < n; i++) {
		if (!steps[i].todo || steps[i].err)
			continue;

		if (steps[i].preempt)
			steps[i].err = mark_preempted(dqm, steps[i].q);
		else
			mark_resumed(dqm, steps[i].q);
	}

	if (!hw)
		return 0;

	r = ops->on(dqm, steps, n);
	if (r) {
		roll_back(dqm, steps, n, r);
		if (ops->on(dqm, steps, n))
			repair_later(dqm);
		return r;
	}

	for (i = 0; i < n; i++)
		if (steps[i].hw && !steps[i].preempt && steps[i].err)
			mark_preempted(dqm, steps[i].q);

	return 0;
}

/**
 * kfd_gpreempt_execute - preempt and resume queues in one go
 * @dqm: the device
 * @steps: what to do; no queue twice
 * @n: number of steps
 *
 * With HWS this is one unmap and one map, for any number of queues. Each step
 * succeeds or fails for itself: whatever happens, a queue is either as active
 * as it was, or preempted with a valid snapshot. Preempting a preempted queue
 * adds a holder; resuming one takes a holder away, and the queue comes back
 * when there is none left.
 *
 * Context: process context, under the DQM lock.
 * Return: 0, or an error that concerns all steps: -EIO if the device is not in
 * a state to move queues, -ETIME if it did not answer. It is then the err of
 * each step that needed anything. A step can also have what
 * kfd_gpreempt_can_preempt() says, or -ETIME: its queue did not drain, or did
 * not answer and is still active (without HWS) or was reset (with).
 */
int kfd_gpreempt_execute(struct device_queue_manager *dqm,
			 struct kfd_gpreempt_step *steps, unsigned int n)
{
	struct amdgpu_device *adev = dqm->dev->adev;
	bool todo = false, hw = false;
	unsigned int i;
	int r = -EIO;

	for (i = 0; i < n; i++) {
		steps[i].todo = prepare(dqm, &steps[i]);
		todo |= steps[i].todo;
		hw |= steps[i].hw;
	}
	if (!todo)
		return 0;

	if (!hw) {
		/* In memory only, which needs no device */
		r = move_queues(dqm, steps, n, false);
	} else if (kfd_gpreempt_ready(dqm) &&
		   down_read_trylock(&adev->reset_domain->sem)) {
		/* No reset between unmap and map */
		r = move_queues(dqm, steps, n, true);
		up_read(&adev->reset_domain->sem);
	}

	for (i = 0; i < n; i++) {
		if (!steps[i].todo)
			continue;
		if (r && !steps[i].err)
			steps[i].err = r;
		finish(dqm, &steps[i]);
	}

	return r;
}

/* Steps of a batch of kfd_gpreempt_release(); they lie on the stack */
#define RELEASE_BATCH	8

#ifdef CONFIG_HSA_AMD_GPREEMPT_DEBUG

static void check_queue(const struct queue *q)
{
	const struct kfd_gpreempt_queue *gq = &q->gpreempt;
	bool preempted = q->properties.is_preempted;

	WARN_ONCE(preempted && q->properties.is_active,
		  "queue %u is preempted and active\n",
		  q->properties.queue_id);
	WARN_ONCE(preempted != gq->snapshot.valid || preempted != !!gq->holders ||
		  gq->state != (preempted ? KFD_GPREEMPT_STATE_PREEMPTED :
					    KFD_GPREEMPT_STATE_ACTIVE),
		  "queue %u: preempted %d, snapshot %d, holders %x, state %d\n",
		  q->properties.queue_id, preempted, gq->snapshot.valid,
		  gq->holders, gq->state);
	WARN_ONCE(!!gq->file != !!(gq->holders & KFD_GPREEMPT_HOLD_IOCTL) ||
		  ((gq->holders & KFD_GPREEMPT_HOLD_NOBODY) &&
		   gq->holders != KFD_GPREEMPT_HOLD_NOBODY),
		  "queue %u: holders %x, with%s a file\n",
		  q->properties.queue_id, gq->holders, gq->file ? "" : "out");
}

/**
 * kfd_gpreempt_check - do the counters of a device say what its lists say?
 * @dqm: the device
 *
 * Recounts the queues whenever the DQM lock is let go of, and complains.
 *
 * Context: under the DQM lock.
 */
void kfd_gpreempt_check(struct device_queue_manager *dqm)
{
	unsigned int active = 0, cp = 0, gws = 0, all;
	struct device_process_node *cur;
	struct kernel_queue *kq;
	struct queue *q;

	list_for_each_entry(cur, &dqm->queues, list) {
		list_for_each_entry(kq, &cur->qpd->priv_queue_list, list) {
			active++;
			cp += kq->queue->properties.type == KFD_QUEUE_TYPE_DIQ;
		}

		all = 0;
		list_for_each_entry(q, &cur->qpd->queues_list, list) {
			all++;
			check_queue(q);
			WARN_ONCE(list_empty(&q->gpreempt.node) ==
				  (q->properties.is_active &&
				   q->properties.type ==
				   KFD_QUEUE_TYPE_COMPUTE),
				  "queue %u: active %d, the monitor sees it otherwise\n",
				  q->properties.queue_id,
				  q->properties.is_active);
			if (!q->properties.is_active)
				continue;
			active++;
			cp += q->properties.type == KFD_QUEUE_TYPE_COMPUTE;
			gws += q->properties.is_gws;
		}
		WARN_ONCE(all != cur->qpd->queue_count,
			  "pasid %u: %u queues, counted as %u\n",
			  cur->qpd->pqm->process->pasid, all,
			  cur->qpd->queue_count);
	}

	WARN_ONCE(active != dqm->active_queue_count ||
		  cp != dqm->active_cp_queue_count ||
		  gws != dqm->gws_queue_count,
		  "active queues: %u, %u of them compute, %u GWS; counted as %u, %u, %u\n",
		  active, cp, gws, dqm->active_queue_count,
		  dqm->active_cp_queue_count, dqm->gws_queue_count);
}

#endif /* CONFIG_HSA_AMD_GPREEMPT_DEBUG */

/* A queue that nobody wants off, and that could not be put back */
static void orphan(struct queue *q, u32 holder, int err)
{
	q->gpreempt.holders &= ~holder;
	if (holder == KFD_GPREEMPT_HOLD_IOCTL)
		q->gpreempt.file = NULL;
	if (!q->gpreempt.holders)
		q->gpreempt.holders = KFD_GPREEMPT_HOLD_NOBODY;
	/* Each time-out holds the DQM lock for seconds: ask no more */
	if (err != -ETIME)
		repair_later(q->device->dqm);
}

/**
 * kfd_gpreempt_release - resume all that somebody holds on a device
 * @dqm: the device
 * @holder: KFD_GPREEMPT_HOLD_*
 * @file: for KFD_GPREEMPT_HOLD_IOCTL, the file that is closed, else NULL
 *
 * What cannot be mapped now stays preempted, and is tried again later.
 *
 * Context: process context, not under the DQM lock. Allocates nothing itself.
 * Return: 0, or why the first of those that are still preempted is.
 */
int kfd_gpreempt_release(struct device_queue_manager *dqm, u32 holder,
			 const struct file *file)
{
	enum kfd_gpreempt_reason reason =
		holder == KFD_GPREEMPT_HOLD_IOCTL ? KFD_GPREEMPT_REASON_CLOSE :
		holder == KFD_GPREEMPT_HOLD_MONITOR ? KFD_GPREEMPT_REASON_OFF :
						      KFD_GPREEMPT_REASON_REPAIR;
	struct kfd_gpreempt_step steps[RELEASE_BATCH];
	struct device_process_node *cur;
	int device_err = 0, r = 0;
	unsigned int n, i;
	struct queue *q;

	do {
		n = 0;

		dqm_lock(dqm);
		list_for_each_entry(cur, &dqm->queues, list) {
			list_for_each_entry(q, &cur->qpd->queues_list, list) {
				if (n == RELEASE_BATCH)
					break;
				if (!(q->gpreempt.holders & holder) ||
				    (file && q->gpreempt.file != file))
					continue;
				steps[n++] = (struct kfd_gpreempt_step){
					.q = q,
					.holder = holder,
					.file = file,
					.reason = reason,
				};
			}
		}
		/* Do not wait for a device that does not answer again */
		if (!device_err)
			device_err = kfd_gpreempt_execute(dqm, steps, n);
		for (i = 0; i < n; i++) {
			if (device_err && !steps[i].err)
				steps[i].err = device_err;
			if (!steps[i].err)
				continue;
			orphan(steps[i].q, holder, steps[i].err);
			if (!r)
				r = steps[i].err;
		}
		dqm_unlock(dqm);
		/* Orphans that fail are orphans again, not to be tried for ever */
	} while (n == RELEASE_BATCH &&
		 (holder != KFD_GPREEMPT_HOLD_NOBODY || !r));

	return r;
}

/*
 * A map failed, for want of memory as a rule: there may be active queues that
 * are not in a runlist, and preempted ones that nobody wants off.
 */
static void repair(struct work_struct *work)
{
	struct device_queue_manager *dqm =
		container_of(to_delayed_work(work), struct device_queue_manager,
			     gpreempt.repair);
	int r = 0;

	dqm_lock(dqm);
	if (get_ops(dqm) == &ops_hws && dqm->sched_running)
		r = kfd_gpreempt_ready(dqm) ? kfd_dqm_map_runlist(dqm) : -EAGAIN;
	dqm_unlock(dqm);

	/* Each orphan that is left comes here again by itself */
	kfd_gpreempt_release(dqm, KFD_GPREEMPT_HOLD_NOBODY, NULL);
	if (r)
		repair_later(dqm);
}

/**
 * kfd_gpreempt_init - prepare GPREEMPT for a device
 * @dqm: the device, initialized
 *
 * Context: process context.
 */
void kfd_gpreempt_init(struct device_queue_manager *dqm)
{
	INIT_DELAYED_WORK(&dqm->gpreempt.repair, repair);
	down_write(&devices_lock);
	list_add_tail(&dqm->gpreempt.node, &devices);
	up_write(&devices_lock);

	kfd_gpreempt_monitor_init(dqm);
}

/**
 * kfd_gpreempt_start - show a device, and start its monitor if it is to run
 * @dqm: the device, in the topology
 *
 * Context: process context.
 */
void kfd_gpreempt_start(struct device_queue_manager *dqm)
{
	kfd_gpreempt_debugfs_add(dqm);
	kfd_gpreempt_sysfs_init(dqm);
	kfd_gpreempt_monitor_start(dqm);
}

/**
 * kfd_gpreempt_fini - the end of GPREEMPT for a device
 * @dqm: the device, before it is stopped
 *
 * Context: process context; waits for the monitor.
 */
void kfd_gpreempt_fini(struct device_queue_manager *dqm)
{
	kfd_gpreempt_debugfs_remove(dqm);
	kfd_gpreempt_sysfs_fini(dqm);
	kfd_gpreempt_monitor_fini(dqm);

	down_write(&devices_lock);
	list_del(&dqm->gpreempt.node);
	up_write(&devices_lock);
	disable_delayed_work_sync(&dqm->gpreempt.repair);
}

/**
 * kfd_gpreempt_close - a file of /dev/kfd is closed
 * @file: the file
 *
 * Resumes what was preempted on it, in any process.
 *
 * Context: process context, no locks held.
 */
void kfd_gpreempt_close(const struct file *file)
{
	struct device_queue_manager *dqm;

	/* One that waits for a hung device does not hold up the others */
	down_read(&devices_lock);
	list_for_each_entry(dqm, &devices, gpreempt.node)
		if (READ_ONCE(dqm->gpreempt.used))
			kfd_gpreempt_release(dqm, KFD_GPREEMPT_HOLD_IOCTL,
					     file);
	up_read(&devices_lock);
}
