// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The ioctls of GPREEMPT: who may preempt whose queue, what a file holds, and
 * what can be asked and configured.
 */

#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/sched/task.h>
#include <uapi/linux/kfd_ioctl.h>
#include "kfd_priv.h"
#include "kfd_device_queue_manager.h"
#include "kfd_gpreempt.h"

static int move_queue(struct queue *q, struct kfd_gpreempt_step *step)
{
	struct device_queue_manager *dqm = q->device->dqm;

	step->q = q;
	kfd_gpreempt_execute(dqm, step, 1);

	return step->err;
}

/*
 * Whose queues somebody may move: his own, and those of processes that he may
 * also renice.
 */
static bool may_move_queues_of(struct task_struct *task)
{
	const struct cred *cred;
	bool ok;

	rcu_read_lock();
	cred = __task_cred(task);
	ok = uid_eq(cred->uid, current_uid()) ||
	     ns_capable(cred->user_ns, CAP_SYS_NICE);
	rcu_read_unlock();

	return ok;
}

/* The KFD process that an ioctl is about, with a reference, or an error */
static struct kfd_process *get_process(struct kfd_process *caller, u32 nr)
{
	struct task_struct *task = NULL;
	struct kfd_process *p = NULL;
	struct pid *pid;

	if (!nr) {
		kref_get(&caller->ref);
		return caller;
	}

	pid = find_get_pid(nr);
	if (pid) {
		task = get_pid_task(pid, PIDTYPE_TGID);
		if (task)
			p = kfd_lookup_process_by_pid(pid);
		put_pid(pid);
	}
	if (!p) {
		p = ERR_PTR(-ESRCH);
	} else if (!may_move_queues_of(task)) {
		/* Asked of what it is now: it may have been executed since */
		kfd_unref_process(p);
		p = ERR_PTR(-EPERM);
	}
	if (task)
		put_task_struct(task);

	return p;
}

/* A program for a longer struct may rely on what this kernel ignores */
static int check_tail(void *kdata, unsigned int usize, size_t size)
{
	if (usize > size && memchr_inv(kdata + size, 0, usize - size))
		return -EINVAL;

	return 0;
}

static int preempt_queue_validate(void *kdata, unsigned int usize)
{
	struct kfd_ioctl_preempt_queue_args *args = kdata;

	if (args->preempt_type != KFD_IOC_PREEMPT_WAVEFRONT_SAVE &&
	    args->preempt_type != KFD_IOC_PREEMPT_WAVEFRONT_DRAIN)
		return -EINVAL;

	return check_tail(kdata, usize, sizeof(*args));
}

static int preempt_queue(struct file *filep, struct kfd_process *p, void *data)
{
	struct kfd_ioctl_preempt_queue_args *args = data;
	struct kfd_gpreempt_step step = {
		.preempt = true,
		.holder = KFD_GPREEMPT_HOLD_IOCTL,
		.file = filep,
		.had_work = true,
	};
	bool drain = args->preempt_type == KFD_IOC_PREEMPT_WAVEFRONT_DRAIN;
	struct device_queue_manager *dqm;
	struct queue *q;
	int r;

	p = get_process(p, args->pid);
	if (IS_ERR(p))
		return PTR_ERR(p);

	if (drain)
		step.drain_ms = clamp_t(u32, args->timeout_ms ?:
					KFD_UNMAP_LATENCY_MS, 1,
					max(queue_preemption_timeout_ms, 1));

	mutex_lock(&p->mutex);

	q = pqm_get_user_queue(&p->pqm, args->queue_id);
	if (!q) {
		r = -EINVAL;
		goto out;
	}
	dqm = q->device->dqm;

	if (q->properties.type != KFD_QUEUE_TYPE_COMPUTE ||
	    (drain && dqm->sched_policy != KFD_SCHED_POLICY_NO_HWS)) {
		r = -EOPNOTSUPP;
		goto out;
	}

	dqm_lock(dqm);
	WRITE_ONCE(dqm->gpreempt.used, true);
	if (q->properties.is_being_destroyed)
		r = -EBUSY;
	else
		r = move_queue(q, &step);
	dqm_unlock(dqm);
out:
	mutex_unlock(&p->mutex);
	kfd_unref_process(p);

	return r;
}

static int resume_queue_validate(void *kdata, unsigned int usize)
{
	struct kfd_ioctl_resume_queue_args *args = kdata;

	if (args->pad)
		return -EINVAL;

	return check_tail(kdata, usize, sizeof(*args));
}

static int resume_queue(struct file *filep, struct kfd_process *p, void *data)
{
	struct kfd_ioctl_resume_queue_args *args = data;
	struct kfd_gpreempt_step step = {
		.holder = KFD_GPREEMPT_HOLD_IOCTL,
		.file = filep,
	};
	struct device_queue_manager *dqm;
	struct queue *q;
	int r;

	p = get_process(p, args->pid);
	if (IS_ERR(p))
		return PTR_ERR(p);

	mutex_lock(&p->mutex);

	q = pqm_get_user_queue(&p->pqm, args->queue_id);
	if (!q) {
		r = -EINVAL;
		goto out;
	}
	dqm = q->device->dqm;

	if (q->properties.type != KFD_QUEUE_TYPE_COMPUTE ||
	    !q->gpreempt.snapshot.mqd_backup) {
		r = -EOPNOTSUPP;
		goto out;
	}

	dqm_lock(dqm);
	if (q->gpreempt.holders & KFD_GPREEMPT_HOLD_NOBODY)
		step.holder = KFD_GPREEMPT_HOLD_NOBODY;
	if (q->properties.is_being_destroyed)
		r = -EBUSY;
	else if (q->gpreempt.holders == KFD_GPREEMPT_HOLD_MONITOR)
		/* It would be back before the next request of a higher queue */
		r = -EBUSY;
	else
		r = move_queue(q, &step);
	dqm_unlock(dqm);
out:
	mutex_unlock(&p->mutex);
	kfd_unref_process(p);

	return r;
}

static int gpreempt_validate(void *kdata, unsigned int usize)
{
	struct kfd_ioctl_gpreempt_args *args = kdata;

	switch (args->op) {
	case KFD_IOC_GPREEMPT_OP_QUERY:
		if (args->param || args->value)
			return -EINVAL;
		break;
	case KFD_IOC_GPREEMPT_OP_GET:
	case KFD_IOC_GPREEMPT_OP_SET:
		if (args->queue_id)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}

	return check_tail(kdata, usize, sizeof(*args));
}

static_assert((int)KFD_GPREEMPT_STATE_ACTIVE == KFD_IOC_GPREEMPT_QUEUE_ACTIVE);
static_assert((int)KFD_GPREEMPT_STATE_PREEMPTING ==
	      KFD_IOC_GPREEMPT_QUEUE_PREEMPTING);
static_assert((int)KFD_GPREEMPT_STATE_PREEMPTED ==
	      KFD_IOC_GPREEMPT_QUEUE_PREEMPTED);
static_assert((int)KFD_GPREEMPT_STATE_RESUMING ==
	      KFD_IOC_GPREEMPT_QUEUE_RESUMING);

static int query(struct kfd_process *p, struct device_queue_manager *dqm,
		 struct kfd_ioctl_gpreempt_args *args)
{
	struct kfd_gpreempt *gp = &dqm->gpreempt;
	struct queue *q = NULL;

	if (args->queue_id != KFD_IOC_GPREEMPT_NO_QUEUE) {
		q = pqm_get_user_queue(&p->pqm, args->queue_id);
		if (!q || q->device != dqm->dev)
			return -EINVAL;
	}

	args->queue_state = KFD_IOC_GPREEMPT_QUEUE_ACTIVE;
	args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_NONE;
	args->queue_preemptions = 0;

	dqm_lock(dqm);
	if (q) {
		args->queue_state = (u32)q->gpreempt.state;
		if (q->gpreempt.holders & KFD_GPREEMPT_HOLD_IOCTL)
			args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_IOCTL;
		else if (q->gpreempt.holders & KFD_GPREEMPT_HOLD_MONITOR)
			args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_MONITOR;
		else if (q->gpreempt.holders)
			args->queue_holder = KFD_IOC_GPREEMPT_HOLDER_NOBODY;
		args->queue_preemptions = q->gpreempt.preemptions;
	}
	args->preemptions = gp->preemptions;
	args->resumes = gp->resumes;
	args->ticks = READ_ONCE(gp->ticks);
	args->inversions = READ_ONCE(gp->inversions);
	dqm_unlock(dqm);

	return 0;
}

static int gpreempt(struct file *filep, struct kfd_process *p, void *data)
{
	struct kfd_ioctl_gpreempt_args *args = data;
	struct device_queue_manager *dqm;
	struct kfd_process_device *pdd;
	int r;

	if (args->op == KFD_IOC_GPREEMPT_OP_SET && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	mutex_lock(&p->mutex);
	pdd = kfd_process_device_data_by_id(p, args->gpu_id);
	dqm = pdd ? pdd->dev->dqm : NULL;
	r = dqm ? 0 : -EINVAL;
	if (dqm && args->op == KFD_IOC_GPREEMPT_OP_QUERY)
		r = query(p, dqm, args);
	mutex_unlock(&p->mutex);
	if (r)
		return r;

	if (args->op == KFD_IOC_GPREEMPT_OP_GET)
		r = kfd_gpreempt_get_param(dqm, args->param, &args->value);
	else if (args->op == KFD_IOC_GPREEMPT_OP_SET)
		r = kfd_gpreempt_set_param(dqm, args->param, args->value);

	return r;
}

static const struct amdkfd_ioctl_desc ioctls[] = {
	{
		.cmd = AMDKFD_IOC_PREEMPT_QUEUE,
		.func = preempt_queue,
		.validate = preempt_queue_validate,
		.name = "AMDKFD_IOC_PREEMPT_QUEUE",
	}, {
		.cmd = AMDKFD_IOC_RESUME_QUEUE,
		.func = resume_queue,
		.validate = resume_queue_validate,
		.name = "AMDKFD_IOC_RESUME_QUEUE",
	}, {
		.cmd = AMDKFD_IOC_GPREEMPT,
		.func = gpreempt,
		.validate = gpreempt_validate,
		.name = "AMDKFD_IOC_GPREEMPT",
	},
};

/**
 * kfd_gpreempt_ioctl_desc - look up one of GPREEMPT's ioctls
 * @nr: number from user space
 *
 * They are far from KFD's own, hence a table of their own.
 *
 * Return: its description, or NULL.
 */
const struct amdkfd_ioctl_desc *kfd_gpreempt_ioctl_desc(unsigned int nr)
{
	if (nr < AMDKFD_GPREEMPT_COMMAND_START ||
	    nr >= AMDKFD_GPREEMPT_COMMAND_END)
		return NULL;

	nr -= AMDKFD_GPREEMPT_COMMAND_START;
	BUILD_BUG_ON(ARRAY_SIZE(ioctls) != AMDKFD_GPREEMPT_COMMAND_END -
					   AMDKFD_GPREEMPT_COMMAND_START);

	return &ioctls[array_index_nospec(nr, ARRAY_SIZE(ioctls))];
}
