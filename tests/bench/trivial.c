/* SPDX-License-Identifier: Apache-2.0 */
/* What the spawn figures launch: linked statically, does nothing. */
int main(void)
{
	return 0;
}
