import { ApiProperty } from '@nestjs/swagger';
import { plainText } from '../kernel/http/plain-text.js';
import { Satisfies } from '../kernel/http/rule.js';
import { presentedPassword } from '../organizations/session.dto.js';

const CHOSEN = '15 to 1,024 bytes of any characters; none of the common ones, nor made of your names or your organization’s.';

export class ChangePassword {
  @ApiProperty({ format: 'password', example: 'the password you have' })
  @Satisfies(presentedPassword)
  current_password!: string;

  @ApiProperty({ format: 'password', example: 'correct horse battery staple', description: CHOSEN })
  @Satisfies(presentedPassword)
  new_password!: string;
}

export class ForgotPassword {
  @ApiProperty({ example: 'grace@acme.example' })
  @Satisfies(plainText({ min: 1, max: 320 }))
  email!: string;
}

export class ResetPassword {
  @ApiProperty({ example: 'pwr_…' })
  @Satisfies(plainText({ min: 1, max: 512 }))
  token!: string;

  @ApiProperty({ format: 'password', example: 'correct horse battery staple', description: CHOSEN })
  @Satisfies(presentedPassword)
  password!: string;
}

export class IssuedPasswordReset {
  @ApiProperty({ enum: ['mail', 'link'], description: '`mail`: the person has it. `link`: hand the link on to them; it is shown this once.' })
  delivery!: 'mail' | 'link';

  @ApiProperty({ type: String, nullable: true, example: 'http://127.0.0.1:3000/reset-password#pwr_…' })
  link!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'pwr_…', description: 'For POST /auth/password/reset.' })
  token!: string | null;

  @ApiProperty({ format: 'date-time' })
  expires_at!: string;
}
