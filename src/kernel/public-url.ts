/** The address the service is known by: issuer of its tokens and base of its links. */
export class PublicUrl {
  constructor(readonly value: string) {}
}
