const closed = new WeakSet<object>();

/** On the query of a route that changes something: parameters that it does not declare are refused, as members of a body are. */
export function NothingElse(): ClassDecorator {
  return (dto) => void closed.add(dto);
}

export function isClosed(dto: object): boolean {
  return closed.has(dto);
}
