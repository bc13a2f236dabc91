"""Cron expressions against what `org.quartz.CronExpression` of Quartz 2.3.2 said to each of these, once."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.checks.schedules import quartz_problem

TAKEN = """\
0 0 6 * * ?
0 0 6 1 * ?
0 0 6 31 * ?
0 0 6 L * ?
0 0 6 LW * ?
0 0 6 L-3 * ?
0 0 6 L-30 * ?
0 0 6 L-3W * ?
0 0 6 L-0 * ?
0 0 6 15W * ?
0 0 6 1W * ?
0 0 6 1,15 * ?
0 0 6 1W,15 * ?
0 0 6 15,1W * ?
0 0 6 1W,15W * ?
0 0 6 */5 * ?
0 0 6 /15 * ?
0 0 6 1/5 * ?
0 0 6 5-10 * ?
0 0 6 10-5 * ?
0 0 6 1-5/2 * ?
0 0 6 *,1 * ?
0 0 6 1,* * ?
0 0 6 /31 * ?
0 0 6 */31 * ?
0 0 6 1,15W * ?
0 0 6 1-5,10-20 * ?
0 0 6 ? * *
0 0 6 ? * 1
0 0 6 ? * 7
0 0 6 ? * L
0 0 6 ? * MON
0 0 6 ? * mon
0 0 6 ? * MON-FRI
0 0 6 ? * FRI-MON
0 0 6 ? * 2L
0 0 6 ? * MONL
0 0 6 ? * 1#1
0 0 6 ? * MON#1
0 0 6 ? * MON#1,TUE
0 0 6 ? * 1#1,3
0 0 6 ? * 3,1#1
0 0 6 ? * 1#5
0 0 6 ? * FRI#5
0 0 6 ? * */2
0 0 6 ? * /2
0 0 6 ? * /7
0 0 6 ? * MON/2
0 0 6 ? * 2-6
0 0 6 ? * 6-2
0 0 6 ? * 2-6/2
0 0 6 ? * SUN
0 0 6 ? * *,1
0 0 6 ? * 7L
0 0 6 ? * MON-FRI,SUN
0 0 6 ? * 1,2,3
* 0 6 * * ?
0 * 6 * * ?
0 0 6 * * ?
0 0 6 * * ?
59 0 6 * * ?
0 59 6 * * ?
*/15 0 6 * * ?
0 */15 6 * * ?
/15 0 6 * * ?
0 /15 6 * * ?
/59 0 6 * * ?
0 /59 6 * * ?
0/15 0 6 * * ?
0 0/15 6 * * ?
1-5 0 6 * * ?
0 1-5 6 * * ?
50-10 0 6 * * ?
0 50-10 6 * * ?
5,10 0 6 * * ?
0 5,10 6 * * ?
1-5/2 0 6 * * ?
0 1-5/2 6 * * ?
00 0 6 * * ?
0 00 6 * * ?
007 0 6 * * ?
0 007 6 * * ?
*,5 0 6 * * ?
0 *,5 6 * * ?
5,* 0 6 * * ?
0 5,* 6 * * ?
*/5,3 0 6 * * ?
0 */5,3 6 * * ?
0 0 * * * ?
0 0 0 * * ?
0 0 23 * * ?
0 0 */2 * * ?
0 0 /2 * * ?
0 0 /23 * * ?
0 0 0/5 * * ?
0 0 22-2 * * ?
0 0 8-18/2 * * ?
0 0 6 * * ?
0 0 6 * 1 ?
0 0 6 * 12 ?
0 0 6 * JAN ?
0 0 6 * jan ?
0 0 6 * JAN-MAR ?
0 0 6 * NOV-FEB ?
0 0 6 * */3 ?
0 0 6 * /3 ?
0 0 6 * /12 ?
0 0 6 * JAN/3 ?
0 0 6 * 1,JUL ?
0 0 6 * 12-1 ?
0 0 6 * * ? *
0 0 6 * * ? 1970
0 0 6 * * ? 2099
0 0 6 * * ? 2026
0 0 6 * * ? 2026-2030
0 0 6 * * ? */2
0 0 6 * * ? /2
0 0 6 * * ? 2026/2
0 0 6 * * ? 2026,2028
0 0 6 L * ?
* * * * * ?
""".splitlines()
"""Quartz takes these."""

REFUSED = """\
0 0 6 ? * ?
0 0 6 32 * ?
0 0 6 0 * ?
0 0 6 L-31 * ?
0 0 6 L-31W * ?
0 0 6 32W * ?
0 0 6 1,L * ?
0 0 6 L,1 * ?
0 0 6 LW,1 * ?
0 0 6 L,LW * ?
0 0 6 L-3,1 * ?
0 0 6 ?,1 * ?
0 0 6 /32 * ?
0 0 6 W * ?
0 0 6 1-W * ?
0 0 6 L/2 * ?
0 0 6 1#1 * ?
0 0 6 1/ * ?
0 0 6 / * ?
0 0 6 L-3W,1 * ?
0 0 6 W15 * ?
0 0 6 L5 * ?
0 0 6 L3 * ?
0 0 6 1-32 * ?
0 0 6 1L * ?
0 0 6 LL * ?
0 0 6 ? * ?
0 0 6 ? * 8
0 0 6 ? * 0
0 0 6 ? * 2L,3L
0 0 6 ? * MON,L
0 0 6 ? * L,MON
0 0 6 ? * 1,L
0 0 6 ? * 2L,3
0 0 6 ? * MON,2L
0 0 6 ? * 1#1,3#2
0 0 6 ? * 1#6
0 0 6 ? * 1#0
0 0 6 ? * /8
0 0 6 ? * MO
0 0 6 ? * 1W
0 0 6 ? * ?,1
0 0 6 ? * 8L
0 0 6 ? * 0L
0 0 6 ? * MON#
0 0 6 ? * #1
0 0 6 ? * L#1
0 0 6 ? * MON#1L
0 0 6 ? * MON-L
60 0 6 * * ?
0 60 6 * * ?
/60 0 6 * * ?
0 /60 6 * * ?
? 0 6 * * ?
0 ? 6 * * ?
*/60 0 6 * * ?
0 */60 6 * * ?
1-60 0 6 * * ?
0 1-60 6 * * ?
MON 0 6 * * ?
0 MON 6 * * ?
0 0 24 * * ?
0 0 /24 * * ?
0 0 ? * * ?
0 0 */24 * * ?
0 0 6 * 13 ?
0 0 6 * 0 ?
0 0 6 * /13 ?
0 0 6 * ? ?
0 0 6 * * ? 2030-2026
0 0 6 * * ? ?
0 0 6 * * *
0 0 6 ? * ?
0 0 6 1 * 2
0 0 6 * * MON
0 0 6 * *
0 0 6 1 * *
0 0 6 * * 2
""".splitlines()
"""Quartz refuses these."""

WITHOUT_MEANING = """\
0 0 6 1, * ?
0 0 6 */0 * ?
0 0 6 /0 * ?
0 0 6 15W/2 * ?
0 0 6 *-5 * ?
0 0 6 5W-10 * ?
0 0 6 ? * SUNDAY
0 0 6 ? * L-3
0 0 6 ? * LW
0 0 6 ? * 1-5#2
L 0 6 * * ?
0 L 6 * * ?
0-59/60 0 6 * * ?
0 0-59/60 6 * * ?
0 0 L * * ?
0 0 6 * L ?
0 0 6 * JANUARY ?
0 0 6 * JUL,L ?
0 0 6 * * ? 1969
0 0 6 * * ? 2100
0 0 6 * * ? * *
""".splitlines()
"""Quartz takes these too, but by accident: it reads another thing than stands there."""


@pytest.mark.parametrize("expression", TAKEN)
def test_what_quartz_takes_is_right(expression):
    assert quartz_problem(expression) is None


@pytest.mark.parametrize("expression", REFUSED)
def test_what_quartz_refuses_is_reported(expression):
    assert quartz_problem(expression) is not None


@pytest.mark.parametrize("expression", WITHOUT_MEANING)
def test_what_quartz_takes_by_accident_is_reported(expression):
    assert quartz_problem(expression) is not None
