/** The package carries no types. */
declare module 'token-introspection' {
  interface Options {
    readonly endpoint: string;
    readonly client_id: string;
    readonly client_secret: string;
  }
  export default function tokenIntrospection(options: Options): (token: string, tokenTypeHint: string) => Promise<Record<string, unknown>>;
}
