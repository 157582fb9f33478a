// SPDX-License-Identifier: (GPL-2.0 OR MIT)
/* A user of libgpreempt, in C and C++: prints what can be known without a GPU. */
#include <libgpreempt.h>
#include <stdio.h>

int main(void)
{
	const struct gpreempt_param *p;
	unsigned int i;
	int op, error;

	for (i = 0; (p = gpreempt_param(i)); i++)
		printf("param %s %llu %llu %llu %d\n", p->name, (unsigned long long)p->min,
		       (unsigned long long)p->max, (unsigned long long)p->def, p->zero);
	for (op = GPREEMPT_OP_OPEN; op <= GPREEMPT_OP_SET; op++)
		for (error = -200; error <= 200; error++)
			printf("explain %d %d %s\n", op, error,
			       gpreempt_explain((enum gpreempt_op)op, error));
	for (i = 0; i < 6; i++)
		printf("state %s\nholder %s\n", gpreempt_state_name(i), gpreempt_holder_name(i));
	printf("version %s\n", gpreempt_version());
	return 0;
}
