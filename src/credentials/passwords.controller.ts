import { Body, Controller, HttpCode, Param, Post, Req } from '@nestjs/common';
import { ApiAcceptedResponse, ApiCreatedResponse, ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { Public, RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { originOf } from '../kernel/http/request.js';
import { Limits } from '../kernel/http/route-limits.js';
import { PasswordChanges } from './password-changes.service.js';
import { PasswordResets } from './password-resets.service.js';
import { ChangePassword, ForgotPassword, IssuedPasswordReset, ResetPassword } from './passwords.dto.js';

@ApiTags('Sessions')
@Controller('auth/password')
export class PasswordsController {
  constructor(
    private readonly changes: PasswordChanges,
    private readonly resets: PasswordResets,
  ) {}

  @Post()
  @HttpCode(204)
  @RequirePermission('profile:read', { credential: 'session' })
  @ApiOperation({ summary: 'Change your password', description: 'Ends every other session you have, in every organization, and every reset that waits. Your API tokens stay.' })
  @ApiNoContentResponse({ description: 'The password is changed; this session goes on.' })
  @ApiProblems(400, 401, 403, 413, 415, 429)
  async change(@CurrentPrincipal() principal: Principal, @Body() { current_password, new_password }: ChangePassword, @Req() request: FastifyRequest): Promise<void> {
    await this.changes.change(principal, { currentPassword: current_password, newPassword: new_password }, originOf(request));
  }

  @Post('forgot')
  @HttpCode(202)
  @Public()
  @Limits({ requestsPerMinute: 30 })
  @ApiOperation({ summary: 'Have a link to reset a password mailed', description: 'The answer is the same whether anybody has the address or not. Nothing is sent where no mail server is configured.' })
  @ApiAcceptedResponse({ description: 'Whoever has this address gets a mail.' })
  @ApiProblems(400, 413, 415, 429)
  forgot(@Body() { email }: ForgotPassword, @Req() request: FastifyRequest): void {
    this.resets.request(email, originOf(request));
  }

  @Post('reset')
  @HttpCode(204)
  @Public()
  @Limits({ requestsPerMinute: 600 })
  @ApiOperation({ summary: 'Choose a new password', description: 'With the token of a link that works once, for an hour. Ends every session of the person and every other reset; log in to go on.' })
  @ApiNoContentResponse({ description: 'The password is the new one.' })
  @ApiProblems(400, 401, 413, 415, 429)
  async reset(@Body() { token, password }: ResetPassword, @Req() request: FastifyRequest): Promise<void> {
    await this.resets.use({ token, password }, originOf(request));
  }
}

@ApiTags('Members')
@Controller('v1/members/:id/password-reset')
export class MemberPasswordsController {
  constructor(private readonly resets: PasswordResets) {}

  @Post()
  @RequirePermission('member:write', { credential: 'session' })
  @ApiOperation({
    summary: 'Have a member choose a new password',
    description: 'With a mail server, the link goes to the member alone. Without one it is in the answer, unless the person belongs to another organization too: it would open that as well. You must hold all that the member’s role allows.',
  })
  @ApiCreatedResponse({ description: 'The reset, good for an hour.', type: IssuedPasswordReset })
  @ApiProblems(401, 403, 404, 409)
  async issue(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<IssuedPasswordReset> {
    const { secret, link, expiresAt } = await this.resets.issueFor(principal, id);
    return { delivery: link === null ? 'mail' : 'link', link, token: secret, expires_at: expiresAt.toRfc3339() };
  }
}
