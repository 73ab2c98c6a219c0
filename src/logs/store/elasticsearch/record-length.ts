/**
 * Records from this length on have a request of their own: what one of them is refused for is no other's fault. A shorter
 * one is never taken to be too long, whatever an answer says.
 */
export const LONG = 1024 * 1024;
