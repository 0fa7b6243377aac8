/**
 * Turns of loops in one run of a shader, of Mesa's software driver: it ends them, without an error,
 * after so many in all.
 */
export const TURN_COUNT_MAX = 65_535;
