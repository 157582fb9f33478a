// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Read or write a parameter of the monitor of a GPU */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kfd_ioctl.h>

/* The names that the files in sysfs have */
static const char * const names[] = {
	[KFD_IOC_GPREEMPT_PARAM_ENABLE] = "enable",
	[KFD_IOC_GPREEMPT_PARAM_INTERVAL_US] = "interval_us",
	[KFD_IOC_GPREEMPT_PARAM_HOLDOFF_US] = "holdoff_us",
	[KFD_IOC_GPREEMPT_PARAM_STARVATION_MS] = "starvation_ms",
	[KFD_IOC_GPREEMPT_PARAM_SLICE_US] = "slice_us",
	[KFD_IOC_GPREEMPT_PARAM_POLICY] = "policy",
	[KFD_IOC_GPREEMPT_PARAM_AGING_MS] = "aging_ms",
	[KFD_IOC_GPREEMPT_PARAM_TURN_US] = "turn_us",
	[KFD_IOC_GPREEMPT_PARAM_RANK] = "rank",
	NULL
};

static const char *explain(int err)
{
	switch (err) {
	case ENOTTY:
		return "a kernel without CONFIG_HSA_AMD_GPREEMPT";
	case EINVAL:
		return "no such GPU, or a value out of bounds";
	case EPERM:
		return "CAP_SYS_ADMIN is needed to write";
	case EOPNOTSUPP:
		return "the GPU cannot save waves";
	default:
		return strerror(err);
	}
}

int main(int argc, char **argv)
{
	struct kfd_ioctl_gpreempt_args args = { .op = KFD_IOC_GPREEMPT_OP_GET };
	int kfd;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: %s GPU_ID NAME [VALUE]\n", argv[0]);
		return 2;
	}
	args.gpu_id = strtoul(argv[1], NULL, 0);
	while (names[args.param] && strcmp(names[args.param], argv[2]))
		args.param++;
	if (!names[args.param]) {
		fprintf(stderr, "%s: no such parameter\n", argv[2]);
		return 2;
	}
	if (argc == 4) {
		args.op = KFD_IOC_GPREEMPT_OP_SET;
		args.value = strtoull(argv[3], NULL, 0);
	}

	kfd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
	if (kfd < 0) {
		perror("/dev/kfd");
		return 1;
	}
	if (ioctl(kfd, AMDKFD_IOC_GPREEMPT, &args)) {
		fprintf(stderr, "%s: %s\n", argv[2], explain(errno));
		return 1;
	}
	printf("%s %llu\n", argv[2], (unsigned long long)args.value);
	return 0;
}
