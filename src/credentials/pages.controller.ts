import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { Public } from '../access/require-permission.js';
import { JOIN_PAGE } from '../organizations/invitations.service.js';
import { PAGE_SCRIPT, renderPage } from './pages.js';
import { RESET_PAGE } from './password-resets.service.js';

const HTML = 'text/html; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';

const RESET = renderPage({
  title: 'Choose a new password',
  action: 'auth/password/reset',
  asksForName: false,
  hint: '15 bytes or more, any characters: a few words will do. All your sessions end.',
  done: 'Your password is the new one. Log in with it.',
});
const JOIN = renderPage({
  title: 'Join',
  action: 'v1/invitations/accept',
  asksForName: true,
  hint: 'If you have an account under the invited address, show its password; if not, choose one of 15 bytes or more: a few words will do.',
  done: 'You are a member now. Log in to go on.',
});

/** What links in mails open: pages that send a form to the API, and know nothing of any tenant. */
@ApiTags('Pages')
@Controller()
@Public()
export class PagesController {
  @Get(RESET_PAGE)
  @Header('content-type', HTML)
  @ApiOperation({ summary: 'Where a link to reset a password leads' })
  @ApiProduces('text/html')
  @ApiOkResponse({ description: 'The page; the token stands behind the # of the link.' })
  reset(): string {
    return RESET;
  }

  @Get(JOIN_PAGE)
  @Header('content-type', HTML)
  @ApiOperation({ summary: 'Where the link of an invitation leads' })
  @ApiProduces('text/html')
  @ApiOkResponse({ description: 'The page; the token stands behind the # of the link.' })
  join(): string {
    return JOIN;
  }

  @Get('password-pages.js')
  @Header('content-type', SCRIPT)
  @ApiOperation({ summary: 'The script of both pages' })
  @ApiProduces('text/javascript')
  @ApiOkResponse({ description: 'The script.' })
  script(): string {
    return PAGE_SCRIPT;
  }
}
