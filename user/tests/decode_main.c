// SPDX-License-Identifier: GPL-2.0
/* gpreempt decode by itself, for its test */
#include <stdarg.h>
#include <stdlib.h>

#include "../cmd.h"

static void say(const char *format, va_list args)
{
	fputs("gpreempt decode: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	exit(EXIT_FAILURE);
}

void usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (format)
		say(format, args);
	va_end(args);
	exit(EXIT_USAGE);
}

int main(int argc, char **argv)
{
	return cmd_decode(argc, argv);
}
