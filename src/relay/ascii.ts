/** The single bytes that streams of events are cut at and told apart by. */
export const LF = 10
export const CR = 13
export const SPACE = 32
export const COLON = 58
export const BRACE = 125
export const QUOTE = 34
export const BACKSLASH = 92
