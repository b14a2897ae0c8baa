import { work } from '../../work.js';

export const dynamic = 'force-dynamic';

export async function GET(request) {
  const { searchParams } = new URL(request.url);
  return Response.json(await work(searchParams.get('layer'), searchParams.get('folder')));
}
