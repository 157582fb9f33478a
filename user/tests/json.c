// SPDX-License-Identifier: GPL-2.0
/* Writes JSON whose meaning native.py knows. */
#include <math.h>
#include <stdint.h>

#include "../json.h"

int main(void)
{
	struct json j;

	json_init(&j, stdout);
	json_object(&j, NULL);
	json_string(&j, "quote \" back \\", "new\nline\ttab \x01 \x7f");
	json_string(&j, "utf8", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	/* Longer than need be, half a pair, cut off, no first byte, beyond Unicode */
	json_string(&j, "bad", "\xc0\xaf|\xed\xa0\x80|\xe2\x82|\xff|\xf4\x90\x80\x80|\xc3");
	json_string(&j, "none", NULL);
	json_array(&j, "empty");
	json_end(&j);
	json_array(&j, "numbers");
	json_uint(&j, NULL, UINT64_MAX);
	json_int(&j, NULL, INT64_MIN);
	json_double(&j, NULL, 0.25);
	json_double(&j, NULL, NAN);
	json_double(&j, NULL, INFINITY);
	json_end(&j);
	json_object(&j, "nested");
	json_bool(&j, "yes", true);
	json_bool(&j, "no", false);
	json_null(&j, "null");
	json_object(&j, "empty");
	json_end(&j);
	json_end(&j);
	json_end(&j);
	/* A second value is a second line */
	json_array(&j, NULL);
	json_object(&j, NULL);
	json_end(&j);
	json_object(&j, NULL);
	json_end(&j);
	json_end(&j);
	return 0;
}
