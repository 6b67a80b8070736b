const closed = new WeakSet<object>();

/** Members that the DTO does not declare are refused instead of dropped: a misspelt one would change what is meant. */
export function NothingElse(): ClassDecorator {
  return (dto) => void closed.add(dto);
}

export function refusesOthers(dto: object): boolean {
  return closed.has(dto);
}
