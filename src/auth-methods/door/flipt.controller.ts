import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query, Res, UseInterceptors } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentPrincipal, principalOf, type Principal } from '../../access/principal.js';
import { Public, RequirePermission } from '../../access/require-permission.js';
import { Bare } from '../../kernel/http/bare.js';
import { inputOf } from '../../kernel/http/input.pipe.js';
import { AuthMethodsService } from '../auth-methods.service.js';
import { CLEARED_COOKIES } from './flipt-cookies.js';
import { ApiFliptFailures } from './flipt-document.js';
import { FliptAuthentication, FliptCreatedToken, FliptCreateToken, FliptExpireQuery, FliptExpireSelf, FliptMethodList, FliptTokenList, FliptTokenQuery } from './flipt.dto.js';
import { encode, FliptEncoding } from './flipt-encoding.interceptor.js';
import { toAuthentication, toCreatedToken, toExpiry, toListing, toMethodList, toNewToken, toSelf, toTokenList } from './flipt.mapper.js';

@ApiTags('Auth method tokens (Flipt)')
@UseInterceptors(FliptEncoding)
@Controller('auth/v1')
export class FliptController {
  constructor(private readonly methods: AuthMethodsService) {}

  @Get('method')
  @Public()
  @ApiOperation({ summary: 'List methods', description: 'Every auth method there could be, and whether it is enabled.' })
  @ApiOkResponse({ description: 'OK', type: FliptMethodList })
  @ApiFliptFailures()
  listMethods(): FliptMethodList {
    return toMethodList();
  }

  @Post('method/token')
  @Bare()
  @HttpCode(200)
  @RequirePermission('auth-method:token:write')
  @ApiOperation({
    summary: 'Create token',
    description: 'A client token of the static method. Without a namespaceKey it may care for such tokens as far as its creator may; with one it is limited to that project. It stays when its creator leaves.',
  })
  @ApiBody({ type: FliptCreateToken, required: false })
  @ApiOkResponse({ description: 'OK; the only showing of the secret', type: FliptCreatedToken })
  @ApiFliptFailures(400, 401, 403, 413)
  async create(request: FastifyRequest, reply: FastifyReply): Promise<Buffer> {
    const body = inputOf(FliptCreateToken, 'body', request.body);
    return encode(toCreatedToken(await this.methods.mint(principalOf(request), toNewToken(body))), request, reply);
  }

  @Get('tokens')
  @RequirePermission('auth-method:token:read')
  @ApiOperation({ summary: 'List tokens', description: 'Oldest first, expired ones included. A pageToken that says nothing is ignored.' })
  @ApiOkResponse({ description: 'OK', type: FliptTokenList })
  @ApiFliptFailures(400, 401, 403)
  async list(@CurrentPrincipal() principal: Principal, @Query() query: FliptTokenQuery): Promise<FliptTokenList> {
    const listing = toListing(query);
    return toTokenList(listing ? await this.methods.list(principal, listing) : [], query);
  }

  @Get('tokens/:id')
  @RequirePermission('auth-method:token:read')
  @ApiOperation({ summary: 'Get token' })
  @ApiOkResponse({ description: 'OK', type: FliptAuthentication })
  @ApiFliptFailures(401, 403, 404)
  async get(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<FliptAuthentication> {
    return toAuthentication(await this.methods.find(principal, id));
  }

  @Delete('tokens/:id')
  @HttpCode(200)
  @RequirePermission('auth-method:token:write')
  @ApiOperation({ summary: 'Delete token', description: 'It stops working at once. Deleting a token that is not there answers the same.' })
  @ApiOkResponse({ description: 'There is no such token (any more).', schema: { type: 'object', example: {} } })
  @ApiFliptFailures(401, 403)
  async delete(@CurrentPrincipal() principal: Principal, @Param('id') id: string): Promise<object> {
    await this.methods.revoke(principal, id);
    return {};
  }

  @Get('self')
  @RequirePermission('profile:read')
  @ApiOperation({ summary: 'Get self', description: 'The token, or the session, that this request authenticates with: by Authorization header, or else by the cookie flipt_client_token.' })
  @ApiOkResponse({ description: 'OK', type: FliptAuthentication })
  @ApiFliptFailures(401)
  async self(@CurrentPrincipal() principal: Principal): Promise<FliptAuthentication> {
    return toSelf(await this.methods.presentedBy(principal));
  }

  @Put('self/expire')
  @HttpCode(200)
  @RequirePermission('profile:read')
  @ApiOperation({
    summary: 'Expire self',
    description: 'Ends the token this request authenticates with, now or at an earlier time than it would end; a session ends now. Clears the cookies of a browser.',
  })
  @ApiBody({ type: FliptExpireSelf, required: false })
  @ApiOkResponse({ description: 'It ends as asked.', schema: { type: 'object', example: {} } })
  @ApiFliptFailures(400, 401, 403, 413)
  async expireSelf(
    @CurrentPrincipal() principal: Principal,
    @Query() query: FliptExpireQuery,
    @Body() body: FliptExpireSelf,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    await this.methods.expire(principal, toExpiry(query, body));
    reply.header('set-cookie', [...CLEARED_COOKIES]);
    return {};
  }
}
