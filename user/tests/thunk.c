// SPDX-License-Identifier: GPL-2.0
/*
 * hsaKmtPreemptQueue() and hsaKmtResumeQueue() of a patched libhsakmt, as a runtime uses them.
 * "thunk no-hws" without a hardware scheduler, "thunk missing" where the kernel has no
 * preemption. TAP on stdout.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hsakmt/hsakmt.h>

#include "kfd_lib.h"

#define WORKGROUPS	64
#define RING_SIZE	4096
#define PAGE		4096

static int count, failed;
static int fake_errno;	/* what our ioctls fail with */

/* The library's calls come here, too */
int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fake_errno &&
	    (request == AMDKFD_IOC_PREEMPT_QUEUE || request == AMDKFD_IOC_RESUME_QUEUE)) {
		errno = fake_errno;
		return -1;
	}
	return syscall(SYS_ioctl, fd, request, arg);
}

static void test(const char *name, bool ok)
{
	printf("%sok %d %s\n", ok ? "" : "not ", ++count, name);
	fflush(stdout);
	failed += !ok;
}

static void expect(const char *name, HSAKMT_STATUS got, HSAKMT_STATUS wanted)
{
	if (got != wanted)
		printf("# status %d, not %d\n", got, wanted);
	test(name, got == wanted);
}

static void must(const char *name, HSAKMT_STATUS status)
{
	if (status == HSAKMT_STATUS_SUCCESS)
		return;
	printf("Bail out! %s: status %d\n", name, status);
	exit(1);
}

static HSAuint32 gpu_node(void)
{
	HsaSystemProperties sys;
	HsaNodeProperties node;
	HSAuint32 i;

	must("hsaKmtAcquireSystemProperties", hsaKmtAcquireSystemProperties(&sys));
	for (i = 0; i < sys.NumNodes; i++) {
		must("hsaKmtGetNodeProperties", hsaKmtGetNodeProperties(i, &node));
		if (node.NumFComputeCores)
			return i;
	}
	must("a GPU", HSAKMT_STATUS_INVALID_NODE_UNIT);
	return 0;
}

static void *gpu_memory(HSAuint64 size)
{
	HsaMemFlags flags = { .ui32 = { .HostAccess = 1, .ExecuteAccess = 1 } };
	HSAuint64 alternate;
	void *p;

	must("hsaKmtAllocMemory", hsaKmtAllocMemory(0, size, flags, &p));
	must("hsaKmtMapMemoryToGPU", hsaKmtMapMemoryToGPU(p, size, &alternate));
	memset(p, 0, size);
	return p;
}

struct work {
	struct kfd_queue_desc desc;
	struct gfx942_kernarg arg __attribute__((aligned(64)));
	struct kfd_signal signal __attribute__((aligned(64)));
	__u32 flag __attribute__((aligned(64)));
	__u32 counters[WORKGROUPS];
};

static bool all_ran(const struct work *w, __u32 times)
{
	int i;

	for (i = 0; i < WORKGROUPS; i++)
		if (__atomic_load_n(&w->counters[i], __ATOMIC_ACQUIRE) != times)
			return false;
	return true;
}

/* A dispatch whose waves wait for w->flag */
static void dispatch(struct work *w, union aql_packet *ring, HsaQueueResource *q)
{
	char *code = gpu_memory(2 * PAGE);

	memcpy(code, gfx942_wait_object, sizeof(gfx942_wait_object));
	w->arg.counters = (uintptr_t)w->counters;
	w->arg.flag = (uintptr_t)&w->flag;
	w->arg.loops = 1;
	w->signal.kind = 1;
	w->signal.value = 1;
	ring->dispatch.setup = 1;
	ring->dispatch.workgroup[0] = 64;
	ring->dispatch.workgroup[1] = 1;
	ring->dispatch.workgroup[2] = 1;
	ring->dispatch.grid[0] = WORKGROUPS * 64;
	ring->dispatch.grid[1] = 1;
	ring->dispatch.grid[2] = 1;
	ring->dispatch.kernel_object = (uintptr_t)code;
	ring->dispatch.kernarg = (uintptr_t)&w->arg;
	ring->dispatch.completion = (uintptr_t)&w->signal;
	/* Acquire and release of system scope */
	__atomic_store_n(&ring->header, AQL_DISPATCH | 2 << 9 | 2 << 11, __ATOMIC_RELEASE);
	__atomic_store_n(&w->desc.write_dispatch_id, 1, __ATOMIC_RELEASE);
	__atomic_store_n(q->Queue_DoorBell_aql, 0, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&w->desc.read_dispatch_id, __ATOMIC_ACQUIRE))
		usleep(1000);
}

static HSAKMT_STATUS preempt(HSA_QUEUEID id)
{
	return hsaKmtPreemptQueue(id, HSA_QUEUE_PREEMPT_SAVE, 0);
}

/* The first word of what a HSA_QUEUEID points to is KFD's number. */
static __u32 kfd_id(HSA_QUEUEID id)
{
	return *(__u32 *)(uintptr_t)id;
}

static void test_work(struct work *w, union aql_packet *ring, HsaQueueResource *q)
{
	HsaQueueInfo info = { 0 };
	int i;

	dispatch(w, ring, q);
	expect("preempt a queue that runs", preempt(q->QueueId), HSAKMT_STATUS_SUCCESS);
	expect("preempt it again", preempt(q->QueueId), HSAKMT_STATUS_SUCCESS);
	expect("its state can be read", hsaKmtGetQueueInfo(q->QueueId, &info),
	       HSAKMT_STATUS_SUCCESS);
	test("its waves are saved", info.ControlStackUsedInBytes && info.SaveAreaSizeInBytes);
	__atomic_store_n(&w->flag, 1, __ATOMIC_RELEASE);
	usleep(100000);
	test("nothing runs meanwhile", all_ran(w, 0) && w->signal.value == 1);
	expect("resume it", hsaKmtResumeQueue(q->QueueId), HSAKMT_STATUS_SUCCESS);
	for (i = 0; i < 10000 && __atomic_load_n(&w->signal.value, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	test("each workgroup ran once", !w->signal.value && all_ran(w, 1));
	expect("resume it again", hsaKmtResumeQueue(q->QueueId), HSAKMT_STATUS_SUCCESS);
}

static void test_refused(HSAuint32 node, HSA_QUEUEID id, bool no_hws)
{
	__u32 none[PAGE / 4] = { 4242 };
	HSA_QUEUEID no_queue = (uintptr_t)none;
	HsaQueueResource sdma = { 0 };

	expect("preempt no queue", preempt(0), HSAKMT_STATUS_INVALID_PARAMETER);
	expect("preempt INVALID_QUEUEID", preempt(INVALID_QUEUEID),
	       HSAKMT_STATUS_INVALID_PARAMETER);
	expect("preempt a bad id", preempt(no_queue), HSAKMT_STATUS_INVALID_PARAMETER);
	expect("preempt in a bad way", hsaKmtPreemptQueue(id, 1, 0),
	       HSAKMT_STATUS_INVALID_PARAMETER);
	expect("resume no queue", hsaKmtResumeQueue(0), HSAKMT_STATUS_INVALID_PARAMETER);
	expect("resume INVALID_QUEUEID", hsaKmtResumeQueue(INVALID_QUEUEID),
	       HSAKMT_STATUS_INVALID_PARAMETER);
	expect("resume a bad id", hsaKmtResumeQueue(no_queue), HSAKMT_STATUS_INVALID_PARAMETER);
	expect("drain", hsaKmtPreemptQueue(id, HSA_QUEUE_PREEMPT_DRAIN, 100),
	       no_hws ? HSAKMT_STATUS_SUCCESS : HSAKMT_STATUS_NOT_SUPPORTED);
	expect("resume after it", hsaKmtResumeQueue(id), HSAKMT_STATUS_SUCCESS);

	must("an SDMA queue",
	     hsaKmtCreateQueue(node, HSA_QUEUE_SDMA, 100, HSA_QUEUE_PRIORITY_NORMAL,
			       gpu_memory(RING_SIZE), RING_SIZE, NULL, &sdma));
	expect("preempt an SDMA queue", preempt(sdma.QueueId), HSAKMT_STATUS_NOT_SUPPORTED);
	must("hsaKmtDestroyQueue", hsaKmtDestroyQueue(sdma.QueueId));
}

static void test_mapping(HSA_QUEUEID id)
{
	static const struct {
		int err;
		HSAKMT_STATUS status;
	} map[] = {
		{ EINVAL, HSAKMT_STATUS_INVALID_PARAMETER },
		{ EOPNOTSUPP, HSAKMT_STATUS_NOT_SUPPORTED },
		{ EPERM, HSAKMT_STATUS_NOT_SUPPORTED },
		{ ENOTTY, HSAKMT_STATUS_NOT_IMPLEMENTED },
		{ EBUSY, HSAKMT_STATUS_UNAVAILABLE },
		{ ETIME, HSAKMT_STATUS_WAIT_TIMEOUT },
		{ ENOMEM, HSAKMT_STATUS_NO_MEMORY },
		{ ESRCH, HSAKMT_STATUS_INVALID_HANDLE },
		{ EIO, HSAKMT_STATUS_ERROR },
	};
	unsigned int i;

	for (i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
		fake_errno = map[i].err;
		expect(strerror(map[i].err), preempt(id),
		       map[i].status);
		expect(strerror(map[i].err), hsaKmtResumeQueue(id), map[i].status);
	}
	fake_errno = 0;
}

/* A child, in which the library does not work, holds the queue by itself. */
static void test_held(HSA_QUEUEID id)
{
	struct kfd_ioctl_preempt_queue_args args = {
		.queue_id = kfd_id(id),
		.preempt_type = KFD_IOC_PREEMPT_WAVEFRONT_SAVE,
		.pid = getpid(),
	};
	int to_parent[2], to_child[2], status = -1;
	char c = 0;
	pid_t child;

	if (pipe(to_parent) || pipe(to_child))
		exit(1);
	child = fork();
	if (!child) {
		int fd = open("/dev/kfd", O_RDWR | O_CLOEXEC);

		if (preempt(id) !=
		    HSAKMT_STATUS_KERNEL_IO_CHANNEL_NOT_OPENED ||
		    hsaKmtResumeQueue(id) != HSAKMT_STATUS_KERNEL_IO_CHANNEL_NOT_OPENED)
			_exit(1);
		if (fd < 0 || ioctl(fd, AMDKFD_IOC_PREEMPT_QUEUE, &args))
			_exit(2);
		if (write(to_parent[1], &c, 1) != 1 || read(to_child[0], &c, 1) != 1)
			_exit(3);
		_exit(0);
	}
	close(to_parent[1]);
	test("a child holds the queue", read(to_parent[0], &c, 1) == 1);
	expect("preempt what another process holds",
	       preempt(id), HSAKMT_STATUS_UNAVAILABLE);
	expect("resume what another process holds", hsaKmtResumeQueue(id),
	       HSAKMT_STATUS_UNAVAILABLE);
	if (write(to_child[1], &c, 1) != 1)
		exit(1);
	waitpid(child, &status, 0);
	test("not in a child", WIFEXITED(status) && !WEXITSTATUS(status));
	expect("preempt when the other has ended", preempt(id), HSAKMT_STATUS_SUCCESS);
}

int main(int argc, char **argv)
{
	bool missing = argc > 1 && !strcmp(argv[1], "missing");
	bool no_hws = argc > 1 && !strcmp(argv[1], "no-hws");
	HsaQueueResource q = { 0 };
	union aql_packet *ring;
	struct work *w;
	HSAuint32 node;
	int i;

	expect("preempt before KFD is open", preempt((uintptr_t)&q),
	       HSAKMT_STATUS_KERNEL_IO_CHANNEL_NOT_OPENED);
	expect("resume before KFD is open", hsaKmtResumeQueue((uintptr_t)&q),
	       HSAKMT_STATUS_KERNEL_IO_CHANNEL_NOT_OPENED);
	must("hsaKmtOpenKFD", hsaKmtOpenKFD());
	node = gpu_node();
	w = gpu_memory(PAGE);
	ring = gpu_memory(RING_SIZE);
	for (i = 0; i < (int)(RING_SIZE / sizeof(*ring)); i++)
		ring[i].header = AQL_INVALID;
	w->desc.read_dispatch_id_offset = offsetof(struct kfd_queue_desc, read_dispatch_id);
	q.Queue_write_ptr_aql = (HSAuint64 *)&w->desc.write_dispatch_id;
	q.Queue_read_ptr_aql = (HSAuint64 *)&w->desc.read_dispatch_id;
	must("hsaKmtCreateQueue",
	     hsaKmtCreateQueue(node, HSA_QUEUE_COMPUTE_AQL, 100, HSA_QUEUE_PRIORITY_NORMAL, ring,
			       RING_SIZE, NULL, &q));
	if (missing) {
		expect("preempt", preempt(q.QueueId),
		       HSAKMT_STATUS_NOT_IMPLEMENTED);
		expect("resume", hsaKmtResumeQueue(q.QueueId), HSAKMT_STATUS_NOT_IMPLEMENTED);
	} else {
		test_work(w, ring, &q);
		test_refused(node, q.QueueId, no_hws);
		test_mapping(q.QueueId);
		test_held(q.QueueId);
	}
	expect("destroy a preempted queue", hsaKmtDestroyQueue(q.QueueId), HSAKMT_STATUS_SUCCESS);
	hsaKmtCloseKFD();
	printf("1..%d\n", count);
	return failed ? 1 : 0;
}
