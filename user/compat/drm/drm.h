/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Debian has the kernel's headers without those of DRM, which come with libdrm
 * in another place. Of this one <linux/kfd_ioctl.h> wants no more than types.
 * Found after the system's own, where that exists.
 */
#include <linux/types.h>
