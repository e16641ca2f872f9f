// Times of the page by the clock of the machine, which may be set while the page is open.

const SET_BACK_MS = 1000;

// A time that is not long ago, in milliseconds of Unix time by the clock as it is now. performance.timeOrigin tells only
// what the clock was when the page was opened, and in some browsers performance.now() stands still while the machine sleeps.
export const unixMs = at => Math.round(Date.now() - performance.now() + at);

// This moment, to be told later.
export const moment = () => ({ at: performance.now(), unixMs: Date.now() });

// A moment as a time of day, by the clock as it was then. If it was set back since, by the clock as it is now: otherwise the
// moment could be in the future. A clock that was set forwards looks like that of a machine that has slept.
export function clockTime({ at, unixMs: then }) {
  const byNow = unixMs(at);
  return new Date(byNow < then - SET_BACK_MS ? byNow : then).toLocaleTimeString('en-GB');
}
