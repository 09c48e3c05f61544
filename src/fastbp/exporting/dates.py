"""Numbers that are made of dates, from seconds since 1970: in NumPy, and the same steps in C.

The calendar's years begin in March here, in eras of 400 years: a leap day comes last, so that no table of months is
needed.
"""

import numpy as np

from fastbp.checks import Array

FEATURES = ("days", "year", "season_sin", "season_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos")
CIRCLES = FEATURES[2:]  # between -1 and 1
DAY = 86400.0
DAYS_OF_400_YEARS, TO_MARCH = 146097, 719468  # days from 1 March of the year 0 to 1970
FROM_JANUARY = 306  # days from March to January


def date_numbers(seconds: Array, first: float) -> Array:
    """(n, 8), `FEATURES` of times in seconds; `first` is when days begin to be counted."""
    days = np.floor(seconds / DAY)
    year, day_of_year = calendar(days)
    turns = [day_of_year / 365.25, (days + 3) % 7 / 7, seconds / DAY - days]
    circles = [f(2 * np.pi * turn) for turn in turns for f in (np.sin, np.cos)]
    return np.stack([(seconds - first) / DAY, year, *circles], axis=1)


def calendar(days: Array) -> tuple[Array, Array]:
    """(the year, the day of the year from 0 on) of days since 1970."""
    z = days + TO_MARCH
    era = np.floor(z / DAYS_OF_400_YEARS)
    of_era = z - era * DAYS_OF_400_YEARS
    years = np.floor((of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) / 365)
    from_march = of_era - (365 * years + years // 4 - years // 100)
    year = years + 400 * era + (from_march >= FROM_JANUARY)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return year, np.where(from_march >= FROM_JANUARY, from_march - FROM_JANUARY, from_march + 59 + leap)


DATE_NUMBERS = f"""\
/* {", ".join(FEATURES)}: season, weekday and hour are points on a circle. The year begins in March here. */
static void date_numbers(double seconds, double first, double *numbers)
{{
    const double turn = 6.283185307179586;
    double days = floor(seconds / 86400.0), era, of_era, year, day, weekday;

    era = floor((days + {TO_MARCH}.0) / {DAYS_OF_400_YEARS}.0);
    of_era = days + {TO_MARCH}.0 - era * {DAYS_OF_400_YEARS}.0;
    year = floor((of_era - floor(of_era / 1460.0) + floor(of_era / 36524.0) - floor(of_era / 146096.0)) / 365.0);
    day = of_era - (365.0 * year + floor(year / 4.0) - floor(year / 100.0));
    year += 400.0 * era;
    if (day >= {FROM_JANUARY}.0) {{
        year += 1.0;
        day -= {FROM_JANUARY}.0;
    }} else {{
        day += fmod(year, 4.0) == 0.0 && (fmod(year, 100.0) != 0.0 || fmod(year, 400.0) == 0.0) ? 60.0 : 59.0;
    }}
    weekday = days + 3.0 - 7.0 * floor((days + 3.0) / 7.0); /* 1970 began on a Thursday */
    numbers[0] = (seconds - first) / 86400.0;
    numbers[1] = year;
    numbers[2] = sin(turn * (day / 365.25));
    numbers[3] = cos(turn * (day / 365.25));
    numbers[4] = sin(turn * (weekday / 7.0));
    numbers[5] = cos(turn * (weekday / 7.0));
    numbers[6] = sin(turn * (seconds / 86400.0 - days));
    numbers[7] = cos(turn * (seconds / 86400.0 - days));
}}

"""
