/** JSON text with pieces that are already text: tool arguments go upstream exactly as the model once wrote them. */
export { isObject, RawJson, RawValue, rawArguments, writeJson } from '../../src/wire/raw-json.ts'
