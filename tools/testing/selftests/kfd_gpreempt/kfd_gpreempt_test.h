/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of preemption share */
#ifndef KFD_GPREEMPT_TEST_H
#define KFD_GPREEMPT_TEST_H

#include "kfd_test.h"

/* So long that it does not happen during a test */
#define NEVER_MS	3600000

static inline struct kfd_ioctl_gpreempt_args query(struct kfd *kfd, struct kfd_queue *q)
{
	struct kfd_ioctl_gpreempt_args args;

	if (kfd_gpreempt_query(kfd, q, &args))
		args.queue_state = -1;
	return args;
}

static inline int queue_state(struct kfd_queue *q)
{
	struct kfd_ioctl_gpreempt_args args;
	int r = kfd_gpreempt_query(q->kfd, q, &args);

	return r ? r : (int)args.queue_state;
}

static inline bool wait_state(struct kfd_queue *q, int state)
{
	__u64 end = kfd_now_us() + KFD_TIMEOUT_MS * 1000ull;

	while (queue_state(q) != state) {
		if (kfd_now_us() > end)
			return false;
		usleep(1000);
	}
	return true;
}

#ifndef KFD_OWN_FIXTURE
/* Return: why the test has to be skipped, or NULL */
static inline const char *setup_gpreempt(struct __test_metadata *_metadata,
					 struct _test_data_kfd *self)
{
	int r;

	self->violations = kfd_mock_violations();
	r = test_open(&self->kfd);
	if (r == -ENODEV)
		return "no gfx94x GPU";
	ASSERT_EQ(0, r);
	if (!kfd_has_gpreempt(&self->kfd))
		return "no CONFIG_HSA_AMD_GPREEMPT";
	if (!kfd_module_param("cwsr_enable", 1))
		return "the waves of a queue cannot be saved";
	return NULL;
}

/* The monitor is off, and will be what it was before. Return: as above */
static inline const char *setup_monitor(struct __test_metadata *_metadata,
					struct _test_data_kfd *self)
{
	const char *why = setup_gpreempt(_metadata, self);
	__u32 i;

	if (why)
		return why;
	for (i = 0; i <= KFD_IOC_GPREEMPT_PARAM_RANK; i++)
		ASSERT_EQ(0, kfd_gpreempt_get(&self->kfd, i, &self->param[i]));
	if (kfd_gpreempt_set(&self->kfd, KFD_IOC_GPREEMPT_PARAM_ENABLE, 0) == -EPERM)
		return "needs CAP_SYS_ADMIN";
	self->monitor = true;
	return NULL;
}

static inline void set_params(struct __test_metadata *_metadata, struct _test_data_kfd *self)
{
	static const __u64 value[] = {
		[KFD_IOC_GPREEMPT_PARAM_INTERVAL_US] = 5000,
		[KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US] = 10000,
		[KFD_IOC_GPREEMPT_PARAM_STARVATION_MS] = NEVER_MS,
		[KFD_IOC_GPREEMPT_PARAM_SLICE_US] = 10000,
		[KFD_IOC_GPREEMPT_PARAM_POLICY] = 0,
		[KFD_IOC_GPREEMPT_PARAM_AGING_MS] = 100,
		[KFD_IOC_GPREEMPT_PARAM_TURN_US] = 0,
		[KFD_IOC_GPREEMPT_PARAM_RANK] = 1,
	};
	__u32 i;

	for (i = KFD_IOC_GPREEMPT_PARAM_INTERVAL_US; i <= KFD_IOC_GPREEMPT_PARAM_RANK; i++)
		ASSERT_EQ(0, kfd_gpreempt_set(&self->kfd, i, value[i]));
}

static inline void create(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i,
			  __u32 priority)
{
	struct kfd_queue_opts opts = { .has_priority = true, .priority = priority };

	ASSERT_EQ(0, kfd_queue_create(&self->kfd, &self->q[i], &opts));
}

/* Packets that wait for kfd_job_release(); job i goes to queue i */
static inline void occupy(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i,
			  __u32 workgroups)
{
	ASSERT_EQ(0, kfd_job_init(&self->kfd, &self->job[i], GFX942_WAIT, workgroups, 1));
	kfd_job_submit(&self->job[i], &self->q[i]);
}

/* Waves of it */
static inline void launch(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	long long rptr = kfd_queue_rptr(&self->q[i]);

	occupy(_metadata, self, i, 100);
	ASSERT_EQ(0, wait_launched(&self->q[i], rptr + 1));
}

static inline void finish(struct __test_metadata *_metadata, struct _test_data_kfd *self, int i)
{
	kfd_job_release(&self->job[i]);
	ASSERT_EQ(0, kfd_job_wait(&self->job[i], KFD_TIMEOUT_MS));
	EXPECT_EQ(0, kfd_job_wrong(&self->job[i], 1));
}
#endif

#endif /* KFD_GPREEMPT_TEST_H */
