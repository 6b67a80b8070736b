const OPTIONAL = new WeakSet<object>();

/** On a DTO: a request without a body stands for an empty object. */
export function OptionalBody(): ClassDecorator {
  return (dto) => void OPTIONAL.add(dto);
}

export function isOptionalBody(dto: object): boolean {
  return OPTIONAL.has(dto);
}
