/** The address the service is known by: issuer of its tokens and base of its links. */
export class PublicUrl {
  constructor(readonly value: string) {}

  /** A link that hands a secret to a page of ours. Behind the #, where no browser sends it to a server or names it as where it comes from. */
  linkTo(page: string, secret: string): string {
    return `${this.value}/${page}#${secret}`;
  }
}
