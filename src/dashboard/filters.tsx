/** The fields that lists are filtered by. */

/** A choice among a few. What an address asks for beyond them stays chosen, by the name `other` or as it is. */
export function Choice({
  name,
  label,
  choices,
  chosen,
  other = chosen,
}: {
  name: string
  label: string
  choices: readonly (readonly [value: string, text: string])[]
  chosen: string
  other?: string | undefined
}) {
  const known = choices.some(([value]) => value === chosen)
  return (
    <div class="field">
      <label for={`filter-${name}`}>{label}</label>
      <select id={`filter-${name}`} name={name}>
        {!known && (
          <option value={chosen} selected>
            {other}
          </option>
        )}
        {choices.map(([value, text]) => (
          <option value={value} selected={value === chosen}>
            {text}
          </option>
        ))}
      </select>
    </div>
  )
}

/** Words to look for; empty = any. */
export function Words({
  name,
  label,
  hint,
  said,
}: {
  name: string
  label: string
  hint: string
  said: string
}) {
  return (
    <div class="field">
      <label for={`filter-${name}`}>{label}</label>
      <input id={`filter-${name}`} name={name} value={said} placeholder={hint} autocomplete="off" />
    </div>
  )
}
